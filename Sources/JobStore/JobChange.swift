public import Jobs

/// One change of a job that has been committed.
public struct JobChange: Sendable, Hashable {
  /// The job after the change; before it, when it was deleted.
  public let job: Job
  /// The row of the transition log; `nil` when only progress or bookkeeping changed, or when the job was deleted.
  public let event: JobEvent?
  /// Whether the job is gone.
  public let deleted: Bool

  public init(job: Job, event: JobEvent?, deleted: Bool = false) {
    self.job = job
    self.event = event
    self.deleted = deleted
  }
}
