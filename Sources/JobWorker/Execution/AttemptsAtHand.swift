import Jobs
import Synchronization

/// The worker's ledger, shared by the tasks that claim and run jobs and those that follow commands.
final class AttemptsAtHand: Sendable {
  private let ledger = Mutex(AttemptLedger<Attempt>())

  /// A claim is made.
  func beginClaim() -> UInt64 { ledger.withLock { $0.beginClaim() } }

  /// A claim is given up.
  func giveUpClaim(_ claim: UInt64) { ledger.withLock { _ = $0.endClaim(claim) } }

  /// Registers what a claim was granted, and tells each attempt what came before it.
  ///
  /// - Returns: the attempt for each assignment, in their order; `nil` for one that is here already.
  func begin(_ assignments: [JobAssignment], of claim: UInt64) -> [Attempt?] {
    let granted = assignments.map { (attempt: $0.running, handle: Attempt()) }
    let beginnings = ledger.withLock { $0.endClaim(claim, granted: granted) }
    return zip(granted, beginnings).map { granted, beginning in
      for attempt in beginning.superseded { attempt.order(.stop) }
      guard !beginning.isRepeated else { return nil }
      granted.handle.order(beginning.orders, because: beginning.reason)
      return granted.handle
    }
  }

  func leave(_ attempt: RunningAttempt) { ledger.withLock { $0.leave(attempt) } }

  /// Has an attempt end: canceled, or suspended.
  func tell(_ attempt: RunningAttempt, _ orders: AttemptOrders, because reason: String? = nil) {
    ledger.withLock { $0.tell(attempt, orders, because: reason) }?.order(orders, because: reason)
  }

  /// The job that an attempt was locked by has ended.
  func release(_ attempt: RunningAttempt) {
    ledger.withLock { $0.attempt(attempt) }?.release()
  }

  func stop(_ attempt: RunningAttempt) {
    for attempt in ledger.withLock({ $0.stop(attempt) }) { attempt.order(.stop) }
  }

  /// The outcome of an attempt is durable in the server's inbox.
  func keep(_ outcome: JobReport) { ledger.withLock { $0.keep(outcome) } }

  func outcome(of attempt: RunningAttempt) -> JobReport? {
    ledger.withLock { $0.outcome(of: attempt) }
  }

  func states(of attempts: [RunningAttempt]) -> [AttemptState] {
    ledger.withLock { ledger in attempts.map { ledger.state(of: $0) } }
  }

  func drain() { ledger.withLock { $0.drain() } }

  /// Tells all that run.
  func orderAll(_ order: AttemptOrders) {
    for attempt in ledger.withLock({ $0.attempts }) { attempt.order(order) }
  }

  var running: [RunningAttempt] { ledger.withLock { $0.running } }
}

extension JobAssignment {
  /// Which attempt it is.
  var running: RunningAttempt { RunningAttempt(job: job, attempt: attempt) }
}
