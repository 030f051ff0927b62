package import Foundation
package import Jobs
import Logging
import Synchronization

extension JobOperations {
  /// Suspends a job: at once where nobody runs it; otherwise it is `suspending` until its worker has stopped. One that is
  /// suspended is returned as it is; one that has ended is refused.
  ///
  /// The type's suspend callback comes first, in the worker that has the job, or else in any; its error leaves the job as
  /// it is.
  package func suspend(_ id: JobID, tenant: UUID) async throws(JobOperationError) -> Job {
    let job = try await job(id, tenant: tenant)
    guard let type = catalog.type(job.type)?.description, type.suspendable else {
      throw .notSuspendable(job)
    }
    var wish = job
    switch wish.suspend(at: clock.now) {
    case .pointless: return job
    case .rejected(let error): throw .rejected(job, error)
    case .suspended, .tell: break
    }
    if type.callbacks.contains(.suspend), job.status != .suspending {
      let holder = job.status.isHeld ? job.worker : nil
      if try await !intervene(.suspend, in: holder, for: job) {
        // Its worker is gone, and the job waits again: any worker may be asked now.
        if let holder { _ = try await settle(id, of: holder, tenant: tenant) }
        _ = try await intervene(.suspend, in: nil, for: job)
      }
    }
    return try await carryOutSuspension(of: id, tenant: tenant)
  }

  private func carryOutSuspension(
    of id: JobID, tenant: UUID
  ) async throws(JobOperationError) -> Job {
    let answer = try await reading { () throws(StoreError) in
      try await store.apply(JobCommand(.suspend, of: id, tenant: tenant), at: clock.now)
    }
    let result = try found(answer, id)
    let job = result.job
    switch result.decision {
    case .done, .pointless: return job
    case .rejected(let error): throw .rejected(job, error)
    case .tell(let worker, let attempt):
      switch await control.send(.suspend(job: id, attempt: attempt), to: worker) {
      case .delivered:
        return job
      case .unknown:
        // The status is durable: the worker is told when the broker is back.
        logger.notice("a suspension could not be sent now", metadata: ["job": "\(id)"])
        workerCheck.check(worker)
        return job
      case .gone:
        return try await settle(id, of: worker, tenant: tenant)
      }
    }
  }

  /// Lets a suspended job run again. One that waits or runs is returned as it is.
  ///
  /// First the type's resume callback, then its init callback; an error of either leaves the job suspended.
  package func resume(_ id: JobID, tenant: UUID) async throws(JobOperationError) -> Job {
    let job = try await job(id, tenant: tenant)
    var wish = job
    switch wish.resume(at: clock.now) {
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
      try await store.apply(JobCommand(.resume, of: id, tenant: tenant), at: clock.now)
    }
    let result = try found(answer, id)
    if case .rejected(let error) = result.decision { throw .rejected(result.job, error) }
    return result.job
  }

  /// - Returns: `false` when the one worker that has the job is gone.
  private func intervene(
    _ callback: JobCallback, in holder: WorkerID?, for job: Job
  ) async throws(JobOperationError) -> Bool {
    switch await callbacks.call(callback, for: job, in: holder) {
    case .done: return true
    case .failed(let message): throw .callbackFailed(job, callback, message)
    case .noAnswer: throw .noAnswer(job, callback)
    case .nobody where holder != nil: return false
    case .nobody: throw .nobody(job, callback)
    }
  }
}

/// The jobs whose resume callback is under way, so that two requests do not call it twice.
final class ResumeGuard: Sendable {
  private let jobs = Mutex<Set<JobID>>([])

  /// - Returns: `false` when the job is being resumed already.
  func begin(_ job: JobID) -> Bool {
    jobs.withLock { $0.insert(job).inserted }
  }

  func end(_ job: JobID) {
    _ = jobs.withLock { $0.remove(job) }
  }
}
