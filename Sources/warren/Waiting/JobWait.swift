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
}
