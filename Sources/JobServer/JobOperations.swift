package import Foundation
package import Jobs
import Logging

/// What one can ask of the server: the HTTP API and in-process callers go through here.
///
/// Every look-up is scoped to the caller's tenant; another tenant's job is not there.
package struct JobOperations: Sendable {
  let intake: Intake
  let store: any JobStore
  let hub: ChangeHub
  let catalog: Catalog
  let directory: WorkerDirectory
  let control: WorkerControl
  let workerCheck: WorkerCheck
  let callbacks: any CallbackCalling
  let initializer: Initializer
  let resuming: ResumeGuard
  let retention: Retention
  /// What is said to workers without waiting for them.
  let commands: PeerTasks<WorkerID>
  let log: ServerLog
  let clock: any ServerClock
  let logger: Logger
  /// Raised when there is an operation to carry out, or one less.
  var bulkWork = Signal()

  /// What the server has set aside, refused or tried again since it started.
  package var counters: ServerCounters {
    var counters = log.counters
    let damage = store.damage
    counters.rowsSetAside = damage.setAside
    counters.rowsSkipped = damage.skipped
    return counters
  }

  /// Accepts or refuses each submission by itself, in one transaction. Types with an init callback have it called before
  /// this returns.
  package func schedule(
    _ submissions: [JobSubmission]
  ) async -> [Result<ScheduledJob, ScheduleError>] {
    var outcomes = await intake.schedule(submissions)
    await withTaskGroup { group in
      for (index, outcome) in outcomes.enumerated() {
        guard case .success(let job) = outcome, job.job.status == .initializing else { continue }
        guard job.isNew else { continue }
        group.addTask { (index, await initialize(job)) }
      }
      for await (index, outcome) in group { outcomes[index] = outcome }
    }
    return outcomes
  }

  private func initialize(_ scheduled: ScheduledJob) async -> Result<ScheduledJob, ScheduleError> {
    do throws(ScheduleError) {
      return .success(
        ScheduledJob(job: try await initializer.initialize(scheduled.job), isNew: true))
    } catch {
      return .failure(error)
    }
  }

  /// Accepts or refuses one submission.
  package func schedule(_ submission: JobSubmission) async throws(ScheduleError) -> ScheduledJob {
    guard let outcome = await schedule([submission]).first else {
      throw .store(.failed("the store did not answer"))
    }
    return try outcome.get()
  }

  package func job(_ id: JobID, tenant: UUID) async throws(JobOperationError) -> Job {
    try found(
      try await reading { () throws(StoreError) in try await store.job(id, tenant: tenant) }, id)
  }

  package func job(idempotencyKey: UUID, tenant: UUID) async throws(JobOperationError) -> Job? {
    try await reading { () throws(StoreError) in
      try await store.job(idempotencyKey: idempotencyKey, tenant: tenant)
    }
  }

  /// What is kept of what a job logged.
  ///
  /// - Parameter number: only lines after it.
  package func log(
    of id: JobID, tenant: UUID, after number: Int64
  ) async throws(JobOperationError) -> JobLog {
    try found(
      try await reading { () throws(StoreError) in
        try await store.log(of: id, tenant: tenant, after: number)
      }, id)
  }

  package func list(_ query: JobQuery) async throws(JobOperationError) -> JobPage {
    try await reading { () throws(StoreError) in try await store.list(query) }
  }

  /// Cancels a job: at once where nobody runs it; otherwise it is `canceling` until its worker has stopped. A job that has
  /// ended is returned as it is.
  ///
  /// - Parameter reason: why, for people; it becomes the job's details.
  package func cancel(
    _ id: JobID, tenant: UUID, reason: String? = nil
  ) async throws(JobOperationError) -> Job {
    let answer = try await reading { () throws(StoreError) in
      try await store.apply(
        JobCommand(.cancel(reason: reason), of: id, tenant: tenant), at: clock.now)
    }
    let result = try found(answer, id)
    let job = result.job
    guard case .tell(let worker, let attempt) = result.decision else { return job }
    switch await control.send(
      .cancel(job: id, attempt: attempt, reason: job.cancelReason), to: worker)
    {
    case .delivered:
      return job
    case .unknown:
      // The status is durable: the worker is told when the broker is back.
      logger.notice("a cancellation could not be sent now", metadata: ["job": "\(id)"])
      workerCheck.check(worker)
      return job
    case .gone:
      return try await settle(id, of: worker, tenant: tenant)
    }
  }

  /// Cancels jobs, in one transaction; the workers of those that run are told after this returns.
  ///
  /// - Returns: the jobs as they are then; `nil` where there is none, or it is another tenant's.
  func cancel(_ cancellations: [JobCancellation]) async throws(StoreError) -> [Job?] {
    let ids = try await ids(of: cancellations)
    let results = try await store.apply(
      zip(cancellations, ids).map { cancellation, id in
        JobCommand(.cancel(reason: cancellation.reason), of: id, tenant: cancellation.tenantID)
      }, at: clock.now)
    return results.map { result in
      guard let result else { return nil }
      if case .tell(let worker, let attempt) = result.decision {
        tell(
          worker,
          .cancel(job: result.job.id, attempt: attempt, reason: result.job.cancelReason))
      }
      return result.job
    }
  }

  /// Which jobs are meant: those that the keys have made, where there are any.
  private func ids(of cancellations: [JobCancellation]) async throws(StoreError) -> [JobID] {
    let keys = cancellations.compactMap { cancellation in
      cancellation.idempotencyKey.map { JobLookup.key($0.uuid, tenant: cancellation.tenantID) }
    }
    guard !keys.isEmpty else { return cancellations.map(\.job) }
    // All of them: only their ids are of interest, and there are as many as messages in a batch.
    let found = Dictionary(
      zip(keys, try await store.find(keys, bytes: .max)), uniquingKeysWith: { $1 })
    return cancellations.map { cancellation in
      guard let key = cancellation.idempotencyKey,
        case .found(let job)? = found[.key(key.uuid, tenant: cancellation.tenantID)]
      else { return cancellation.job }
      return job.id
    }
  }

  /// Tells a worker without waiting for it; one that is not reached is told when it is.
  func tell(_ worker: WorkerID, _ command: ControlCommand) {
    let isTaken = commands.submit(to: worker) {
      if await control.send(command, to: worker) != .delivered { workerCheck.check(worker) }
    }
    if !isTaken { workerCheck.check(worker) }
  }

  /// Deletes a job that nobody runs.
  ///
  /// - Parameter reason: why, for the server's log: of the job nothing is left.
  /// - Throws: ``JobOperationError/held(_:)`` when its status forbids it.
  package func delete(
    _ id: JobID, tenant: UUID, reason: String? = nil
  ) async throws(JobOperationError) -> Job {
    switch try await reading({ () throws(StoreError) in
      try await store.delete(id, tenant: tenant, at: clock.now)
    }
    ) {
    case .deleted(let job):
      logger.info("a job was deleted", metadata: ["job": "\(id)", "reason": "\(reason ?? "")"])
      return job
    case .refused(let job): throw .held(job)
    case .unknown: throw .unknownJob(id)
    }
  }

  /// Waits until a job has ended or is suspended, for at most `limit`, and returns it as it is then.
  package func wait(
    for id: JobID, tenant: UUID, atMost limit: Duration
  ) async throws(JobOperationError) -> Job {
    // Watching begins before the first look, so that no change falls in between.
    let changes = hub.changes(of: id)
    let job = try await job(id, tenant: tenant)
    if job.status.isAtRest { return job }
    await withTaskGroup { group in
      group.addTask {
        for await change in changes {
          switch change {
          case .deleted: return
          case .moved(let status) where status.isAtRest: return
          case .moved: continue
          }
        }
      }
      // Ends early only when the task is cancelled, which ends the wait as well.
      group.addTask { try? await Task.sleep(for: limit) }
      await group.next()
      group.cancelAll()
    }
    return try await self.job(id, tenant: tenant)
  }

  /// What becomes of a job whose worker seems to be gone.
  func settle(
    _ id: JobID, of worker: WorkerID, tenant: UUID
  ) async throws(JobOperationError) -> Job {
    if await !workerCheck.settle(worker) { workerCheck.check(worker) }
    return try await job(id, tenant: tenant)
  }

  func found<Value>(_ value: Value?, _ id: JobID) throws(JobOperationError) -> Value {
    guard let value else { throw .unknownJob(id) }
    return value
  }

  func reading<Value>(
    _ body: () async throws(StoreError) -> Value
  ) async throws(JobOperationError) -> Value {
    do throws(StoreError) {
      return try await body()
    } catch {
      throw .store(error)
    }
  }
}

/// Why the server cannot do what it was asked.
package enum JobOperationError: Error, Sendable, CustomStringConvertible {
  case unknownJob(JobID)
  /// The job's status forbids it now.
  case held(Job)
  /// The status that was wished for cannot follow the job's.
  case rejected(Job, StatusTransitionError)
  /// The job's type has no suspending.
  case notSuspendable(Job)
  /// A job of that status is not done again.
  case notRetryable(Job)
  case unknownOperation(UUID)
  case unknownDeadLetter(UUID)
  /// The letter's state forbids it now.
  case deadLetterHeld(DeadLetterRecord)
  /// The key belongs to an operation that does something else.
  case operationConflict(UUID)
  /// So many operations of the tenant run already.
  case tooManyOperations(Int)
  case unknownWebhook(String, known: [String])
  /// The callback that belongs to what was asked has thrown; the job is as it was.
  case callbackFailed(Job, JobCallback, String)
  /// No worker of the job's type is there to call the callback.
  case nobody(Job, JobCallback)
  /// A worker was to call the callback, and did not answer.
  case noAnswer(Job, JobCallback)
  case store(StoreError)

  package var description: String {
    switch self {
    case .unknownJob(let id):
      "there is no job \(id)"
    case .held(let job):
      "job \(job.id) is \(job.status.rawValue), and cannot be deleted now; try later, when it has ended or is suspended"
    case .rejected(let job, let error):
      "job \(job.id): \(error)"
    case .notSuspendable(let job):
      "jobs of the type \(job.type) cannot be suspended; the type would have to be declared as suspendable"
    case .notRetryable(let job):
      "job \(job.id) is \(job.status.rawValue), and cannot be retried; jobs that are "
        + Job.retryable.map(\.rawValue).sorted().joined(separator: ", ") + " can"
    case .unknownOperation(let id):
      "there is no operation \(id.uuidString.lowercased())"
    case .unknownDeadLetter(let id):
      "there is no dead letter \(id.uuidString.lowercased())"
    case .deadLetterHeld(let letter) where letter.state == .accepted:
      letter.job.map {
        "dead letter \(letter.id.uuidString.lowercased()) has been accepted already, as job \($0)"
      } ?? "dead letter \(letter.id.uuidString.lowercased()) has been accepted already"
    case .deadLetterHeld(let letter):
      "dead letter \(letter.id.uuidString.lowercased()) is on its way to be accepted or refused again; try later"
    case .operationConflict(let id):
      "the idempotency key belongs to operation \(id.uuidString.lowercased()), which was asked for something else"
    case .tooManyOperations(let count):
      "\(count) operations run already, which is as many as may; wait for one to end, or cancel one"
    case .unknownWebhook(let name, let known):
      ScheduleError.unknownWebhook(name, known: known).description
    case .callbackFailed(let job, let callback, let message):
      "the \(callback.rawValue) callback of \(job.type) has failed, and job \(job.id) is as it was: \(message)"
    case .nobody(let job, let callback):
      "no worker of \(job.type) is there to call its \(callback.rawValue) callback"
    case .noAnswer(let job, let callback):
      "the worker that was to call the \(callback.rawValue) callback of \(job.type) did not answer"
    case .store(let error):
      "the status store failed: \(error)"
    }
  }
}
