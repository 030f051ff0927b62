import Jobs
import Logging

/// Hands outcomes over until they are durable.
struct ReportSender<Authority: JobAuthority>: Sendable {
  let authority: Authority
  /// Told of each outcome that is durable.
  let keep: @Sendable (JobReport) -> Void
  let lifecycle: WorkerLifecycle
  let logger: Logger

  /// Tries until it succeeds: an outcome is never given up because the broker or the server is away.
  ///
  /// - Returns: `false` when the attempt has been stopped meanwhile, or the worker leaves.
  func send(_ reports: [JobReport], of attempt: Attempt) async -> Bool {
    var pause = Pause(first: .milliseconds(400), longest: .seconds(10))
    while true {
      let failure: AuthorityError
      do throws(AuthorityError) {
        try await authority.report(reports)
        for report in reports { if case .ended = report.content { keep(report) } }
        return true
      } catch {
        failure = error
      }
      guard attempt.orders.isDisjoint(with: [.stop, .abandon]) else { return false }
      let wait = pause.take()
      logger.warning(
        "an outcome is not yet reported; it is tried again",
        metadata: ["error": "\(failure)", "retry-in": "\(wait)"])
      if await lifecycle.reached(.leaving, within: wait) { return false }
    }
  }
}
