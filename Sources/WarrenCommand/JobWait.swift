import JobClient
import Jobs
import UnixSignals

/// Waits for a job and shows, on standard error, how far it is.
struct JobWait {
  /// How long to wait when nobody says; whoever waits can end it with Ctrl-C.
  static let defaultTimeout = Duration.seconds(86_400)
  /// How old what is shown can be.
  static let step = Duration.seconds(1)

  let client: JobClient
  let timeout: Duration
  let isQuiet: Bool

  /// - Returns: the job, final or suspended.
  /// - Throws: `JobClientError`; ``Interrupted`` after Ctrl-C, when the job goes on.
  func callAsFunction(_ id: JobID) async throws -> Job {
    try await Interruption.watching {
      var display = ProgressDisplay(
        Console.isTerminal(.error) ? .terminal(width: Console.width(of: .error)) : .plain)
      func show(_ job: Job) {
        if !isQuiet { Console.write(display.show(job, now: .now), to: .error) }
      }
      defer { Console.write(display.finish(), to: .error) }
      let job = try await client.wait(
        for: id, timeout: timeout, step: isQuiet ? .seconds(30) : Self.step, onAnswer: show)
      show(job)
      return job
    }
  }

  /// What became of one of several jobs.
  enum End: Sendable {
    /// It is final or suspended.
    case atRest(Job)
    /// The time to wait has passed; it goes on.
    case goesOn(Job)

    var job: Job {
      switch self {
      case .atRest(let job), .goesOn(let job): job
      }
    }
  }

  /// Waits for several jobs, with few requests: the server answers when a job ends.
  ///
  /// - Parameter onEnd: told of each job as it ends.
  /// - Returns: the jobs in the order of their ids.
  /// - Throws: `JobClientError` when one of them cannot be asked after; ``Interrupted`` after Ctrl-C.
  func callAsFunction(
    _ ids: [JobID], onEnd: @escaping @Sendable (End) -> Void
  ) async throws -> [End] {
    try await Interruption.watching {
      try await withThrowingTaskGroup(of: (Int, End).self) { group in
        var ends: [Int: End] = [:]
        var rest = ids.enumerated().makeIterator()
        func next() {
          guard let (index, id) = rest.next() else { return }
          group.addTask { (index, try await end(of: id)) }
        }
        for _ in 0..<Self.concurrency { next() }
        while let (index, end) = try await group.next() {
          onEnd(end)
          ends[index] = end
          next()
        }
        return ids.indices.compactMap { ends[$0] }
      }
    }
  }

  /// How many jobs are waited for at a time: each wait holds a connection.
  private static let concurrency = 64

  private func end(of id: JobID) async throws -> End {
    do {
      return .atRest(try await client.wait(for: id, timeout: timeout, step: .seconds(30)))
    } catch .timedOut(let job) {
      return .goesOn(job)
    }
  }
}

/// What is written while a job is waited for: one line that is drawn again and again on a terminal, a line for each change
/// elsewhere.
struct ProgressDisplay {
  enum Mode: Hashable {
    case terminal(width: Int)
    case plain
  }

  let mode: Mode
  private var last = ""

  init(_ mode: Mode) {
    self.mode = mode
  }

  /// What to write for a job as it is now; empty when there is nothing new.
  mutating func show(_ job: Job, now: Timestamp) -> String {
    let line =
      switch mode {
      case .terminal(let width): ProgressLine.bar(job, now: now, width: width)
      case .plain: ProgressLine.plain(job)
      }
    guard line != last else { return "" }
    last = line
    return switch mode {
    // Back to the first column, and nothing left of the line before.
    case .terminal: "\r\(line)\u{1B}[K"
    case .plain: line + "\n"
    }
  }

  /// What to write before anything else is written.
  mutating func finish() -> String {
    defer { last = "" }
    return mode == .plain || last.isEmpty ? "" : "\n"
  }
}

/// One line that tells how far a job is.
enum ProgressLine {
  static let barLength = 24

  /// With a bar, for a terminal.
  ///
  /// - Parameter width: of the terminal; the line is shorter.
  static func bar(_ job: Job, now: Timestamp, width: Int) -> String {
    let percent = percent(job)
    let filled = percent * barLength / 100
    let bar =
      String(repeating: "#", count: filled) + String(repeating: "-", count: barLength - filled)
    var number = String(percent)
    number = String(repeating: " ", count: 3 - number.count) + number
    let parts = ["[\(bar)]", "\(number) %", status(job)] + rest(job, now: now)
    // A line that reaches the last column may wrap, and is then not drawn over by the next.
    return TerminalText.line(parts.joined(separator: "  "), limit: max(1, width - 1))
  }

  /// Without a bar, for a file. It has nothing that changes from moment to moment by itself.
  static func plain(_ job: Job) -> String {
    let details = job.progressDetails.isEmpty ? "" : ": \(job.progressDetails)"
    return TerminalText.line("\(status(job)) \(percent(job)) %\(details)")
  }

  /// 0 to 100; 100 only when it is that much.
  static func percent(_ job: Job) -> Int {
    Int(min(max(0, job.progress), 100))
  }

  private static func status(_ job: Job) -> String {
    job.retries > 0 ? "\(job.status.rawValue) (retry \(job.retries))" : job.status.rawValue
  }

  private static func rest(_ job: Job, now: Timestamp) -> [String] {
    var parts: [String] = []
    if let eta = job.eta, job.status.isHeld, now < eta {
      parts.append("\(HumanTime.text(eta - now)) left")
    } else if job.status == .waiting, now < job.scheduledAt {
      parts.append("due \(HumanTime.text(job.scheduledAt, now: now))")
    }
    if !job.progressDetails.isEmpty { parts.append(job.progressDetails) }
    return parts
  }
}

/// Turns Ctrl-C into an error, so that what has been begun is finished tidily.
enum Interruption {
  /// Runs `body`; at one of the signals its task is cancelled.
  ///
  /// - Throws: ``Interrupted``, and what `body` throws.
  static func watching<Value: Sendable>(
    _ signals: [UnixSignal] = [.sigint], _ body: @escaping @Sendable () async throws -> Value
  ) async throws -> Value {
    let signals = await UnixSignalsSequence(trapping: signals)
    return try await withThrowingTaskGroup(of: Value?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        for await _ in signals { break }
        return nil
      }
      defer { group.cancelAll() }
      guard let first = try await group.next(), let value = first else { throw Interrupted() }
      return value
    }
  }
}

/// Someone pressed Ctrl-C.
struct Interrupted: Error, CustomStringConvertible {
  let description = "interrupted"
}
