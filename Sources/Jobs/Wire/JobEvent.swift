/// One row of the transition log: the creation of a job, or a change of its status.
public struct JobEvent: Sendable, Hashable, Codable {
  /// Numbers all transitions of a store, growing.
  public let sequence: Int64
  /// Whose status changed.
  public let job: JobID
  /// What kind of job it is.
  public let type: JobTypeID
  /// Its queue.
  public let queue: JobQueueName
  /// `nil` for the creation.
  public let from: JobStatus?
  /// The status since then.
  public let to: JobStatus
  /// When.
  public let at: Timestamp
  /// The number of the attempt, 0 before the first.
  public let attempt: Int
  /// Who had the job, or took it.
  public let worker: WorkerID?
  /// Why: the job's details or its error.
  public let reason: String?

  /// An event; made by the store.
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
