/// One row of the transition log: the creation of a job, or a change of its status.
public struct JobEvent: Sendable, Hashable, Codable {
  /// Numbers all transitions of a store, growing.
  public let sequence: Int64
  public let job: JobID
  public let type: JobTypeID
  public let queue: JobQueueName
  /// `nil` for the creation.
  public let from: JobStatus?
  public let to: JobStatus
  public let at: Timestamp
  public let attempt: Int
  public let worker: WorkerID?
  /// Why: the job's details or its error.
  public let reason: String?

  public init(
    sequence: Int64, job: JobID, type: JobTypeID, queue: JobQueueName, from: JobStatus?,
    to: JobStatus, at: Timestamp, attempt: Int, worker: WorkerID?, reason: String?
  ) {
    self.sequence = sequence
    self.job = job
    self.type = type
    self.queue = queue
    self.from = from
    self.to = to
    self.at = at
    self.attempt = attempt
    self.worker = worker
    self.reason = reason
  }
}
