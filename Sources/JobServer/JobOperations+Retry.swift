package import Foundation
package import Jobs

extension JobOperations {
  /// Does a job again that failed, was canceled or ran for too long: as a new job that names it. Asked for again, it is the
  /// same new job, whatever has become of that; to do it once more, the new job is what is to be retried.
  ///
  /// What was submitted then is checked as any submission is today.
  ///
  /// - Throws: ``JobOperationError`` for a job that is not there or has not ended in that way; ``ScheduleError`` when the new job
  ///   is not accepted.
  package func retry(_ id: JobID, tenant: UUID) async throws -> ScheduledJob {
    let found = try await reading { () throws(StoreError) in
      try await store.submitted([id], bytes: .max)
    }
    let old = try self.found(found.first?.flatMap { $0.job.tenantID == tenant ? $0 : nil }, id)
    guard Job.retryable.contains(old.job.status) else {
      throw JobOperationError.notRetryable(old.job)
    }
    // Before it is checked: its type may be gone since.
    if let known = try await job(idempotencyKey: old.job.retryKey.uuid, tenant: tenant) {
      return ScheduledJob(job: known, isNew: false)
    }
    return try await schedule(old.retry)
  }
}
