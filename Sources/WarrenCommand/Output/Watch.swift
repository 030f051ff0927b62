import JobClient
import Jobs
import Synchronization

/// What `warren watch` shows on a terminal.
struct WatchBoard: Sendable {
  /// How many of the newest changes are shown.
  static let mostRecent = 5

  var queues: [QueueStatus] = []
  /// Some of those that run.
  var running: [Job] = []
  var runningTotal = 0
  /// The newest last.
  private(set) var recent: [JobEvent] = []
  /// What is wrong for now.
  var notice: String?

  mutating func note(_ event: JobEvent) {
    recent.append(event)
    if recent.count > Self.mostRecent { recent.removeFirst() }
  }

  /// The lines as they are drawn, no more and no longer than fit.
  func lines(width: Int, height: Int, now: Timestamp) -> [String] {
    let most = max(1, height - 1)
    var lines = Table(queues).text?.split(separator: "\n").map(String.init) ?? ["no queues"]
    let last = recent.map(EventText.line) + (notice.map { ["! \($0)"] } ?? [])
    lines += ["", "\(runningTotal) running"]
    let room = max(0, most - lines.count - (last.isEmpty ? 0 : last.count + 1))
    let shown = running.count <= room ? running.count : max(0, room - 1)
    for job in running.prefix(shown) {
      let name = "\(job.id) \(job.type)  "
      lines.append(name + ProgressLine.bar(job, now: now, width: max(1, width - name.count)))
    }
    if runningTotal > shown, room > shown { lines.append("and \(runningTotal - shown) more") }
    if !last.isEmpty { lines += [""] + last }
    return lines.suffix(most).map { TerminalText.line($0, limit: max(1, width - 1)) }
  }

  /// What is shown instead of figures for as long as an error lasts that may pass; `nil` for one that does not.
  static func notice(of error: JobClientError) -> String? {
    switch error {
    case .unreachable: "the server is away"
    case .problem(let problem) where error.retryAfter != nil:
      "the server does not take the question now: \(problem.title)"
    default: nil
    }
  }

  /// What is written to draw lines over those of before.
  static func drawing(_ lines: [String], over before: Int) -> String {
    (before > 0 ? "\u{1B}[\(before)A\r" : "") + lines.map { "\($0)\u{1B}[K\n" }.joined()
      + "\u{1B}[J"
  }
}

/// Draws the board again whenever something has changed, some times a second at most.
struct WatchScreen: Sendable {
  private static let mostJobs = 100
  /// While jobs run their progress is looked at, which no event of all jobs tells.
  private static let interval = Duration.seconds(1)
  /// Each look at the queues asks after every worker.
  private static let queueInterval = Duration.seconds(2)

  let client: JobClient

  func callAsFunction() async throws {
    try await Wakes.with(events: client.events(), every: Self.interval) { wakes in
      let clock = ContinuousClock()
      var board = WatchBoard()
      var drawn = 0
      var lastLook: ContinuousClock.Instant?
      var lastQueues: ContinuousClock.Instant?
      var isStale = true
      // Until then the server wants to be left alone.
      var nextLook = clock.now
      for try await wake in wakes {
        if case .event(.transition(let event)) = wake {
          board.note(event)
          isStale = true
        }
        let now = clock.now
        // Between two looks all that comes is gathered; the next tick shows it.
        if let lastLook, lastLook.duration(to: now) < .milliseconds(250) { continue }
        guard now >= nextLook else { continue }
        guard isStale || board.runningTotal > 0 || board.notice != nil || lastLook == nil else {
          continue
        }
        lastLook = now
        let asksQueues = lastQueues.map { $0.duration(to: now) >= Self.queueInterval } ?? true
        nextLook = now.advanced(by: try await look(asksQueues, &board))
        if asksQueues, board.notice == nil {
          lastQueues = now
          isStale = false
        }
        let (width, height) = Console.size(of: .output)
        let lines = board.lines(width: width, height: height, now: .now)
        Console.write(WatchBoard.drawing(lines, over: drawn), to: .output)
        drawn = lines.count
      }
    }
  }

  /// - Returns: for how long the server wants not to be asked again.
  private func look(_ asksQueues: Bool, _ board: inout WatchBoard) async throws -> Duration {
    do {
      let jobs = try await client.list(
        JobFilter(
          statuses: JobStatus.allCases.filter(\.isHeld), order: "created_at",
          pageSize: Self.mostJobs))
      (board.running, board.runningTotal) = (jobs.jobs, jobs.total)
      if asksQueues { board.queues = try await client.queues().queues }
      board.notice = nil
      return .zero
    } catch {
      guard let notice = WatchBoard.notice(of: error) else { throw error }
      board.notice = notice
      return error.retryAfter ?? .zero
    }
  }
}

/// Writes a line for each change, and for each queue whose figures have changed since.
struct WatchLines: Sendable {
  private static let interval = Duration.seconds(1)

  /// How many changes there have been.
  private final class Changes: Sendable {
    private let counted = Mutex(1)
    var count: Int { counted.withLock(\.self) }
    func note() { counted.withLock { $0 += 1 } }
  }

  let client: JobClient

  func callAsFunction() async throws {
    let changes = Changes()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await showQueues(changes) }
      defer { group.cancelAll() }
      for try await event in client.events() {
        EventText.show(event, json: false)
        changes.note()
      }
    }
  }

  private func showQueues(_ changes: Changes) async throws {
    var known: [JobQueueName: String] = [:]
    var seen = 0
    while (try? await Task.sleep(for: Self.interval)) != nil {
      let count = changes.count
      guard count != seen else { continue }
      let queues: [QueueStatus]
      do {
        queues = try await client.queues().queues
      } catch {
        // The figures are shown when there are some again.
        if let pause = error.retryAfter { try? await Task.sleep(for: pause) }
        continue
      }
      seen = count
      for queue in queues {
        let line = Self.line(queue)
        if known.updateValue(line, forKey: queue.name) != line {
          Console.write(line + "\n", to: .output)
        }
      }
    }
  }

  static func line(_ queue: QueueStatus) -> String {
    "queue \(queue.name): \(queue.waiting) waiting, \(queue.scheduled) scheduled,"
      + " \(queue.running) running, \(queue.workers) workers"
  }
}
