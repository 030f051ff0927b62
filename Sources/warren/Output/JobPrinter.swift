import ArgumentParser
import Jobs

/// Prints the job that a command is about.
struct JobPrinter {
  let json: Bool
  var isQuiet = false

  /// The job as it is.
  func show(_ job: Job) throws {
    Console.write(try json ? JSONOutput.text(job) : JobText.text(job, now: .now), to: .output)
  }

  /// The job after a wait.
  ///
  /// - Throws: the exit status of a job that did not complete.
  func showEnd(of job: Job) throws {
    if isQuiet, !json {
      if let result = JobText.result(job) { Console.write(result + "\n", to: .output) }
      if job.status != .completed {
        Console.write(
          "the job \(job.id) is \(job.status.rawValue)"
            + (JobText.remark(job).isEmpty ? "" : ": \(TerminalText.line(JobText.remark(job)))")
            + "\n", to: .error)
      }
    } else {
      try show(job)
    }
    guard job.status == .completed else { throw ExitCode(ExitStatus.jobNotCompleted.rawValue) }
  }
}
