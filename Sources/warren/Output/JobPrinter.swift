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
      showResult(of: .atRest(job))
    } else {
      try show(job)
    }
    guard job.status == .completed else { throw ExitCode(ExitStatus.jobNotCompleted.rawValue) }
  }

  /// Several jobs after a wait, each of which has been told of already unless it is quiet or JSON.
  ///
  /// - Throws: the exit status when one goes on, or else when one did not complete.
  func showEnds(_ ends: [JobWait.End]) throws {
    if json {
      Console.write(try JSONOutput.text(ends.map(\.job)), to: .output)
    } else if isQuiet {
      for end in ends { showResult(of: end) }
    }
    for case .goesOn in ends { throw ExitCode(ExitStatus.timedOut.rawValue) }
    for end in ends where end.job.status != .completed {
      throw ExitCode(ExitStatus.jobNotCompleted.rawValue)
    }
  }

  private func showResult(of end: JobWait.End) {
    if let result = JobText.result(end.job) { Console.write(result + "\n", to: .output) }
    if end.job.status != .completed { Console.write(JobText.end(end) + "\n", to: .error) }
  }
}
