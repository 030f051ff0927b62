import JobClient
import Jobs

/// Asks the server how many jobs there are of some kind: the total of an empty page, which costs it a look at a small table.
struct JobCounter: Sendable {
  let client: JobClient
  var filter = JobFilter()
  /// What has become of them, for people.
  var what = ""

  /// How many there were at a moment.
  struct Reading: Sendable, Hashable {
    let count: Int
    let time: MonotonicTime
  }

  /// How long nothing may move.
  static let patience = 120.0

  func count() async throws -> Int {
    var filter = filter
    filter.pageSize = 1
    return try await client.list(filter).total
  }

  /// Waits until there are so many, and shows how many there are.
  ///
  /// It asks once a second, and more often, up to 50 times a second, only at the beginning and when by its own reckoning the
  /// count is about to be reached: it finds the moment to 20 ms, and takes next to nothing of the server's time.
  func wait(for target: Int, _ progress: BenchProgress) async throws -> Reading {
    let begin = Reading(count: try await count(), time: .now)
    var last = begin
    var lastMove = begin.time
    var shown = begin
    var pause = Self.shortest
    while last.count < target {
      try await Task.sleep(for: .seconds(pause))
      let next = Reading(count: try await count(), time: .now)
      if next.count != last.count { lastMove = next.time }
      if next.time.seconds(since: lastMove) > Self.patience {
        throw BenchError.stalled("\(next.count) of \(target) jobs are \(what)")
      }
      pause = Self.pause(after: pause, [begin, last, next], target: target)
      last = next
      let seconds = next.time.seconds(since: shown.time)
      guard seconds >= 1 else { continue }
      progress.count(
        what, next.count, of: target, perSecond: Double(next.count - shown.count) / seconds)
      shown = next
    }
    return last
  }

  private static let shortest = 0.02
  private static let longest = 1.0

  /// How long to wait before asking again, in seconds: a quarter of what is still to go, at the rate since the beginning or
  /// the last look, whichever is higher; and not much longer than the last time.
  ///
  /// - Parameter readings: the first one, the one before the last, and the last.
  static func pause(after last: Double, _ readings: [Reading], target: Int) -> Double {
    guard let now = readings.last else { return shortest }
    let rates = readings.dropLast().map { reading in
      let seconds = now.time.seconds(since: reading.time)
      return seconds > 0 ? Double(now.count - reading.count) / seconds : 0
    }
    guard let rate = rates.max(), rate > 0 else { return shortest }
    let quarter = Double(target - now.count) / rate / 4
    return min(max(quarter, shortest), last * 1.5, longest)
  }
}
