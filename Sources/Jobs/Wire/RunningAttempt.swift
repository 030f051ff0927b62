/// One attempt of a job: one that a worker says it runs, or that it is asked about.
public struct RunningAttempt: Sendable, Hashable, Codable {
  /// Of which job.
  public let job: JobID
  /// Which of its attempts.
  public let attempt: Int

  /// An attempt of a job.
  public init(job: JobID, attempt: Int) {
    self.job = job
    self.attempt = attempt
  }
}
