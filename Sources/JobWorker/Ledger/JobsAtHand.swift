import Jobs
import Synchronization

/// The worker's ledger, shared by the tasks that handle tickets and commands.
final class JobsAtHand: Sendable {
  private let ledger = Mutex(WorkerLedger<Attempt>())

  func arrive(_ ticket: ReceivedTicket) -> WorkerLedger<Attempt>.Arrival {
    ledger.withLock { $0.arrive(ticket) }
  }

  /// Registers a granted attempt and tells it what came before it.
  func begin(_ assignment: JobAssignment, _ attempt: Attempt) {
    let orders = ledger.withLock {
      $0.begin(assignment.job, attempt: assignment.attempt, attempt)
    }
    attempt.order(orders)
  }

  func leave(_ job: JobID) -> ReceivedTicket? {
    ledger.withLock { $0.leave(job) }
  }

  /// Has an attempt end: canceled, or suspended.
  func tell(_ job: JobID, attempt: Int, _ orders: AttemptOrders) {
    ledger.withLock { $0.tell(job, attempt: attempt, orders) }?.order(orders)
  }

  /// The job that an attempt was locked by has ended.
  func release(_ job: JobID, attempt: Int) {
    ledger.withLock { $0.running(job, attempt: attempt) }?.release()
  }

  func stop(_ job: JobID, attempt: Int) {
    ledger.withLock { $0.stop(job, attempt: attempt) }?.order(.stop)
  }

  /// The outcome of an attempt is durable in the server's inbox.
  func keep(_ outcome: JobReport) {
    ledger.withLock { $0.keep(outcome) }
  }

  func outcome(of attempt: RunningAttempt) -> JobReport? {
    ledger.withLock { $0.outcome(of: attempt) }
  }

  func states(of attempts: [RunningAttempt]) -> [AttemptState] {
    ledger.withLock { ledger in attempts.map { ledger.state(of: $0) } }
  }

  func drain() {
    ledger.withLock { $0.drain() }
  }

  /// Tells all that run.
  func orderAll(_ order: AttemptOrders) {
    for attempt in ledger.withLock({ $0.attempts }) { attempt.order(order) }
  }

  var running: [RunningAttempt] { ledger.withLock { $0.running } }

  var isEmpty: Bool { ledger.withLock { $0.isEmpty } }
}
