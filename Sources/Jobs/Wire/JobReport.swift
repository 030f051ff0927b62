/// What a worker tells of one job.
public struct JobReport: Sendable, Hashable, Codable {
  public enum Content: Sendable, Hashable, Codable {
    case progress(JobProgress)
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
