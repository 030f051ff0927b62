/// An attempt that a worker runs as it announces itself.
public struct RunningAttempt: Sendable, Hashable, Codable {
  /// Of which job.
  public let job: JobID
  /// Which of its attempts.
  public let attempt: Int

  /// An attempt; listed by the worker that runs it.
  public init(job: JobID, attempt: Int) {
    self.job = job
    self.attempt = attempt
  }
}
