import Foundation
import Jobs

/// The work was ended from outside, as everything else on its machine may have been: nobody's failure.
struct Interruption: Error, Hashable, CustomStringConvertible {
  let description: String
}

/// What is reported of an attempt: a function of how its callback ended and what it had been told by then.
///
/// | | ended by itself | canceled or suspended | timed out | given back |
/// |---|---|---|---|---|
/// | returned a result | completed | completed | completed | completed |
/// | threw ``JobSkip`` | skipped | skipped | skipped | skipped |
/// | threw ``PermanentFailure`` | failed, permanent | canceled | timed out | failed, permanent |
/// | threw ``WorkerTrouble`` or ``Interruption`` | returned | canceled | timed out | returned |
/// | threw anything else | failed | canceled | timed out | returned |
///
/// With several orders, the leftmost decides. Of one that was stopped or abandoned nothing is reported.
enum AttemptOutcome: Sendable, Hashable {
  case report(JobOutcome)
  case silence

  /// - Parameter timeout: what it was allowed; for the message.
  init(
    of result: Result<JSONPayload?, any Error>, orders: AttemptOrders, timeout: Duration,
    limits: OutcomeLimits
  ) {
    guard orders.isDisjoint(with: [.stop, .abandon]) else {
      self = .silence
      return
    }
    switch result {
    case .success(let value):
      self = .report(Self.completed(value, limits))
    case .failure(let skip as JobSkip):
      self = .report(.skipped(reason: limits.bounded(skip.reason)))
    case .failure(let error):
      self = .report(Self.failed(error, orders, timeout, limits))
    }
  }

  /// What is said of an attempt that is past its time-out and does not end.
  static func overdue(timeout: Duration, grace: Duration) -> JobOutcome {
    .timedOut(
      error: "took longer than its time-out of \(timeout), and has not ended within \(grace)"
        + " of being told to")
  }

  private static func completed(_ value: JSONPayload?, _ limits: OutcomeLimits) -> JobOutcome {
    guard let value else { return .completed(result: nil) }
    do throws(JSONError) {
      try value.check()
    } catch {
      return .failed(error: "the result cannot be sent: \(error)", permanent: true)
    }
    let size = value.bytes.count
    guard size <= limits.result else {
      return .failed(
        error: "the result has \(size) bytes as JSON; a job's result may have \(limits.result)",
        permanent: true)
    }
    return .completed(result: value)
  }

  private static func failed(
    _ error: any Error, _ orders: AttemptOrders, _ timeout: Duration, _ limits: OutcomeLimits
  ) -> JobOutcome {
    // Which of the two it is, the job's status tells the server.
    if !orders.isDisjoint(with: [.cancel, .suspend]) { return .canceled }
    if orders.contains(.timeOut) {
      let reason = error is CancellationError ? "" : ": \(error)"
      return .timedOut(
        error: limits.bounded("took longer than its time-out of \(timeout)\(reason)"))
    }
    if let failure = error as? PermanentFailure {
      return .failed(error: limits.bounded(failure.description), permanent: true)
    }
    if orders.contains(.giveBack) || error is WorkerTrouble || error is Interruption {
      return .returned
    }
    return .failed(error: limits.bounded(String(describing: error)), permanent: false)
  }
}
