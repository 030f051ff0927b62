/// What a worker tells of one job.
public struct JobReport: Sendable, Hashable, Codable {
  public enum Content: Sendable, Hashable, Codable {
    case progress(JobProgress)
    /// What to go on from after a suspension, a retry or the loss of the worker; replaces an earlier one.
    case snapshot(JSONValue)
    /// What happens after a failure of this job, from now on, and how long an attempt may take, in milliseconds.
    case policy(RetryPolicy, timeout: Int64?)
    case ended(JobOutcome)
  }

  public let job: JobID
  public let attempt: Int
  public let worker: WorkerID
  public let content: Content

  public init(job: JobID, attempt: Int, worker: WorkerID, content: Content) {
    self.job = job
    self.attempt = attempt
    self.worker = worker
    self.content = content
  }
}
