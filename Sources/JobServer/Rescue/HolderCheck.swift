import JobStore
import Jobs
import Logging
import Synchronization

/// Finds out what has become of an attempt in its worker, and settles the job when it is not under way any longer.
struct HolderCheck: Sendable {
  /// How often a worker is asked to report an outcome again before the attempt counts as lost: what it reports does not
  /// arrive, or cannot be applied.
  private static let mostRepetitions = 5

  let store: StatusStore
  let control: WorkerControl
  let inbox: InboxMarks
  let poisonLimit: Int
  let logger: Logger
  private let clock: any ServerClock
  private let repetitions = Repetitions()
  /// Attempts of which an outcome is kept that only a newer server understands.
  let kept = KeptAttempts()

  init(
    store: StatusStore, control: WorkerControl, inbox: InboxMarks, poisonLimit: Int,
    logger: Logger, clock: any ServerClock = SystemClock()
  ) {
    self.clock = clock
    self.store = store
    self.control = control
    self.inbox = inbox
    self.poisonLimit = poisonLimit
    self.logger = logger
  }

  /// Asks the worker of a job.
  ///
  /// - Returns: `false` when the job has to be looked at again.
  @discardableResult
  func settle(_ job: Job) async -> Bool {
    guard job.status.isHeld, let worker = job.worker else { return true }
    let attempt = RunningAttempt(job: job.id, attempt: job.attempt)
    return await settle(job, knowing: await control.possession(of: attempt, by: worker))
  }

  /// The same, when the worker has been asked already.
  @discardableResult
  func settle(_ job: Job, knowing possession: WorkerControl.Possession) async -> Bool {
    guard job.status.isHeld, let worker = job.worker else { return true }
    do {
      switch possession {
      case .running:
        await remind(worker, of: job)
        return true
      case .reported:
        return try await recall(job, from: worker)
      case .none:
        return try await lose(job)
      case .unanswered:
        return false
      }
    } catch {
      logger.error(
        "a job that its worker does not run could not be settled",
        metadata: ["job": "\(job.id)", "error": "\(error)"])
      return false
    }
  }

  /// The worker may have missed what it was told.
  private func remind(_ worker: WorkerID, of job: Job) async {
    switch job.status {
    case .canceling: _ = await control.send(.cancel(job: job.id, attempt: job.attempt), to: worker)
    case .suspending:
      _ = await control.send(.suspend(job: job.id, attempt: job.attempt), to: worker)
    default: break
    }
  }

  /// The worker has reported the outcome, and the job is held: the report is in the inbox still, or was lost with it.
  private func recall(_ job: Job, from worker: WorkerID) async throws -> Bool {
    guard await inbox.isReadUpToNow() else { return false }
    guard let current = try await store.job(job.id), current.status.isHeld,
      current.attempt == job.attempt, current.worker == worker
    else { return true }
    let attempt = RunningAttempt(job: job.id, attempt: job.attempt)
    // Nothing was lost: asked again, the worker would report the same.
    if kept.contains(attempt) {
      return current.status == .canceling ? try await lose(current) : true
    }
    guard repetitions.count(attempt) <= Self.mostRepetitions else {
      logger.error(
        "an outcome that was asked for again and again does not arrive; its attempt counts as lost",
        metadata: ["job": "\(job.id)", "worker": "\(worker)"])
      return try await lose(job)
    }
    logger.notice(
      "the report of an outcome was lost, and is asked for again",
      metadata: ["job": "\(job.id)", "attempt": "\(job.attempt)", "worker": "\(worker)"])
    _ = await control.send(.reportAgain(job: job.id, attempt: job.attempt), to: worker)
    return false
  }

  /// Settles a job whose worker does not have it.
  ///
  /// - Returns: `false` when it could not be done now.
  func lose(_ job: Job) async throws -> Bool {
    // The worker's last words may be in the inbox still.
    guard await inbox.isReadUpToNow() else { return false }
    // Its outcome is there, and a newer server will understand it: the job must not run twice.
    guard kept.isRead else { return false }
    // A job that is canceled meanwhile is not to run again anyway.
    let attempt = RunningAttempt(job: job.id, attempt: job.attempt)
    if job.status != .canceling, kept.contains(attempt) { return true }
    let lost = try await store.update([job.id]) { _, current in
      // It may have been taken over, or have ended, meanwhile.
      guard current.attempt == job.attempt, current.status.isHeld else { return false }
      current.loseWorker(at: clock.now, poisonLimit: poisonLimit)
      return true
    }
    if lost.first == true {
      logger.notice(
        "an attempt is lost with its worker",
        metadata: ["job": "\(job.id)", "worker": "\(job.worker?.rawValue ?? "")"])
    }
    return true
  }
}

/// The attempts whose outcomes are kept for a newer server. Bounded: of the newest it is known.
final class KeptAttempts: Sendable {
  private static let limit = 100_000
  private let attempts = Mutex<Set<RunningAttempt>>([])
  private let hasBeenRead = Atomic(false)

  /// Whether what had been kept when the server started is known: before, no attempt can be said to be lost.
  var isRead: Bool { hasBeenRead.load(ordering: .acquiring) }

  func noteRead() {
    hasBeenRead.store(true, ordering: .releasing)
  }

  func add(_ more: [RunningAttempt]) {
    guard !more.isEmpty else { return }
    attempts.withLock { attempts in
      if attempts.count + more.count > Self.limit { attempts = [] }
      attempts.formUnion(more)
    }
  }

  func contains(_ attempt: RunningAttempt) -> Bool {
    attempts.withLock { $0.contains(attempt) }
  }
}

/// How often the outcomes of attempts have been asked for again. Bounded: it forgets everything when it is full, which costs
/// some repetitions.
private final class Repetitions: Sendable {
  private static let limit = 10_000
  private let counts = Mutex<[RunningAttempt: Int]>([:])

  /// Counts one more, and tells how many there are.
  func count(_ attempt: RunningAttempt) -> Int {
    counts.withLock { counts in
      if counts.count >= Self.limit { counts = [:] }
      counts[attempt, default: 0] += 1
      return counts[attempt] ?? 1
    }
  }
}
