import Jobs
import Logging

/// Passes an attempt's progress on: at once when there is some, but no more often than once in an interval.
struct ProgressReporter<Authority: JobAuthority>: Sendable {
  let authority: Authority
  let box: ProgressBox
  let teller: StateTeller?
  let interval: Duration
  let limits: OutcomeLimits
  /// Makes a report of the attempt.
  let report: @Sendable (JobProgress) -> JobReport
  let logger: Logger

  /// Runs until the task is cancelled. What is in the box then is the last value, for the outcome's report to take along.
  func run() async {
    for await _ in box.wakeUps {
      guard !Task.isCancelled else { return }
      guard let progress = box.take()?.bounded(by: limits) else { continue }
      teller?.tell(nil, progress)
      do {
        try await authority.report([report(progress)])
      } catch {
        // The next one says more; only the last one has to land.
        logger.debug("a progress was not reported", metadata: ["error": "\(error)"])
        box.putBack(progress)
      }
      guard (try? await Task.sleep(for: interval)) != nil else { return }
    }
  }
}
