/// What a state-update callback is told: the facts that a job's change may have changed.
public struct JobState: Sendable, Hashable {
  /// Which job.
  public let job: JobID
  /// The status that it has now.
  public let status: JobStatus
  /// 0 to 100.
  public let progress: Double
  /// What is being done, for people; the last that was said.
  public let details: String?
  /// Why it failed, or was skipped.
  public let error: String?

  /// A state; made by the worker, and by tests of a callback.
  public init(
    job: JobID, status: JobStatus, progress: Double, details: String? = nil, error: String? = nil
  ) {
    self.job = job
    self.status = status
    self.progress = progress
    self.details = details
    self.error = error
  }
}
