import AMQP
import JobClient
import JobConfig
import JobTransport
import Jobs
import Logging

/// The benchmark's own connections to the broker.
struct BenchBroker: Sendable {
  private let address: BrokerAddress
  /// What is wrong is thrown and told in the end; nothing is logged between the lines of the progress.
  static let quiet = Logger(label: "warren.bench") { _ in SwiftLogNoOpLogHandler() }

  init(_ address: BrokerAddress) {
    self.address = address
  }

  /// Connects, runs `body`, and closes the connection.
  func connected<Answer: Sendable>(
    _ body: @escaping @Sendable (Connection) async throws -> Answer
  ) async throws -> Answer {
    var configuration = try ConnectionConfiguration(url: address.url)
    configuration.connectionName = "warren bench"
    let connection = Connection(configuration: configuration, logger: Self.quiet)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await connection.run() }
      defer { group.cancelAll() }
      do throws(AMQPError) {
        try await connection.waitUntilReady(timeout: .seconds(10))
      } catch .cancelled {
        throw CancellationError()
      } catch {
        throw BenchError.broker("\(error)")
      }
      return try await body(connection)
    }
  }

  /// What it calls itself, as in `RabbitMQ 3.10.8`.
  func name() async throws -> String {
    try await connected { connection in
      let broker = await connection.broker
      return "\(broker?.product ?? "") \(broker?.version?.description ?? "")"
    }
  }

  /// Deletes all that a server and its workers declare under a prefix. What is exclusive is gone with its connection, and
  /// the lease of a worker with its consumers.
  ///
  /// - Returns: what could not be deleted, and why.
  func delete(_ names: TransportNames, queues: [JobQueueName]) async -> [String] {
    do {
      return try await connected { connection in
        let topology = JobTopology.server(
          names, queues: queues, broker: await connection.broker?.version)
        var failures: [String] = []
        for queue in topology.queues {
          do throws(AMQPError) {
            try await connection.delete(queue: queue.name)
          } catch {
            failures.append("the queue \(queue.name): \(error)")
          }
        }
        for exchange in topology.exchanges {
          do throws(AMQPError) {
            try await connection.delete(exchange: exchange.name)
          } catch {
            failures.append("the exchange \(exchange.name): \(error)")
          }
        }
        return failures
      }
    } catch {
      return ["the queues and exchanges that begin with \(names.prefix): \(error)"]
    }
  }
}

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
