import JobClient
import Jobs

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
