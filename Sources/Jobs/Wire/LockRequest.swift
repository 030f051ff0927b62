/// A running job's wish to be marked as locked by another one, or as unlocked.
public struct LockRequest: Sendable, Hashable, Codable {
  public let job: JobID
  public let attempt: Int
  public let worker: WorkerID
  /// The job that it waits for; `nil` unlocks.
  public let by: JobID?

  public init(job: JobID, attempt: Int, worker: WorkerID, by: JobID?) {
    self.job = job
    self.attempt = attempt
    self.worker = worker
    self.by = by
  }
}
