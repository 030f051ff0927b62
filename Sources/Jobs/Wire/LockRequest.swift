/// A running job's wish to be marked as locked by another one, or as unlocked.
public struct LockRequest: Sendable, Hashable, Codable {
  /// The job to be locked or unlocked.
  public let job: JobID
  /// The attempt that asks; an older one than the latest is refused.
  public let attempt: Int
  /// Who runs it.
  public let worker: WorkerID
  /// The job that it waits for; `nil` unlocks.
  public let by: JobID?

  /// A request; made by the worker that runs the attempt.
  public init(job: JobID, attempt: Int, worker: WorkerID, by: JobID?) {
    self.job = job
    self.attempt = attempt
    self.worker = worker
    self.by = by
  }
}
