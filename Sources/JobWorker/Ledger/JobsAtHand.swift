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

  func leave(_ job: JobID, _ departure: WorkerLedger<Attempt>.Departure) -> ReceivedTicket? {
    ledger.withLock { $0.leave(job, departure) }
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

  func has(_ job: JobID) -> Bool {
    ledger.withLock { $0.has(job) }
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
