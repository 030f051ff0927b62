public import Foundation
import JobStore
public import Jobs
import Logging

extension JobService {
  /// Suspends a job: at once where nobody runs it; otherwise it is `suspending` until its worker has stopped. One that is
  /// suspended is returned as it is; one that has ended is refused.
  ///
  /// The type's suspend callback comes first, in the worker that has the job, or else in any; its error leaves the job as
  /// it is.
  public func suspend(_ id: JobID, tenant: UUID) async throws(JobServiceError) -> Job {
    let job = try await job(id, tenant: tenant)
    guard let type = catalog.type(job.type)?.description, type.suspendable else {
      throw .notSuspendable(job)
    }
    var wish = job
    switch wish.suspend(at: .now) {
    case .pointless: return job
    case .rejected(let error): throw .rejected(job, error)
    case .suspended, .tell: break
    }
    if type.callbacks.contains(.suspend), job.status != .suspending {
      let holder = job.status.isHeld ? job.worker : nil
      if try await !intervene(.suspend, in: holder, for: job) {
        // Its worker is gone, and the job waits again: any worker may be asked now.
        _ = try await settle(id, tenant: tenant)
        _ = try await intervene(.suspend, in: nil, for: job)
      }
    }
    return try await carryOutSuspension(of: id, tenant: tenant)
  }

  private func carryOutSuspension(
    of id: JobID, tenant: UUID
  ) async throws(JobServiceError) -> Job {
    let answer = try await reading { () throws(StoreError) in
      try await store.update([id], tenant: tenant) { _, job in (job.suspend(at: .now), job) }[0]
    }
    let (decision, job) = try found(answer, id)
    switch decision {
    case .suspended, .pointless: return job
    case .rejected(let error): throw .rejected(job, error)
    case .tell(let worker, let attempt):
      switch await control.send(.suspend(job: id, attempt: attempt), to: worker) {
      case .delivered:
        return job
      case .unknown:
        // The status is durable: the worker is told when the broker is back.
        logger.notice("a suspension could not be sent now", metadata: ["job": "\(id)"])
        return job
      case .gone:
        return try await settle(id, tenant: tenant)
      }
    }
  }

  /// Lets a suspended job run again. One that waits or runs is returned as it is.
  ///
  /// First the type's resume callback, then its init callback; an error of either leaves the job suspended.
  public func resume(_ id: JobID, tenant: UUID) async throws(JobServiceError) -> Job {
    let job = try await job(id, tenant: tenant)
    var wish = job
    switch wish.resume(at: .now) {
    case .pointless: return job
    case .rejected(let error): throw .rejected(job, error)
    case .resumed: break
    }
    guard resuming.begin(id) else { return job }
    defer { resuming.end(id) }
    let callbacks = catalog.type(job.type)?.description.callbacks ?? []
    for callback in [JobCallback.resume, .initialize] where callbacks.contains(callback) {
      _ = try await intervene(callback, in: nil, for: job)
    }
    let answer = try await reading { () throws(StoreError) in
      try await store.update([id], tenant: tenant) { _, job in (job.resume(at: .now), job) }[0]
    }
    let (decision, resumed) = try found(answer, id)
    if case .rejected(let error) = decision { throw .rejected(resumed, error) }
    return resumed
  }

  /// - Returns: `false` when the one worker that has the job is gone.
  private func intervene(
    _ callback: JobCallback, in holder: WorkerID?, for job: Job
  ) async throws(JobServiceError) -> Bool {
    switch await callbacks.call(callback, for: job, in: holder) {
    case .done: return true
    case .failed(let message): throw .callbackFailed(job, callback, message)
    case .noAnswer: throw .noAnswer(job, callback)
    case .nobody where holder != nil: return false
    case .nobody: throw .nobody(job, callback)
    }
  }
}
