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

/// What a transaction of the store has changed, for those who are told of it.
package struct StoreCommit: Sendable {
  /// What was added to the transition log, in its order.
  package var transitions: [JobEvent] = []
  /// Jobs that became due: they wait, and their time has come.
  package var due: [DueJobs] = []
  /// The earliest time for which a job began to wait.
  package var nextDue: Timestamp?
  /// Jobs that are gone.
  package var deleted: [JobID] = []
  /// Whether a job ended of whose end somebody wants to be told, or somebody wants to be told of one that had.
  package var hasReplies = false

  package init() {}

  /// Whether there is nothing to tell.
  package var isEmpty: Bool {
    transitions.isEmpty && due.isEmpty && nextDue == nil && deleted.isEmpty && !hasReplies
  }
}

/// How many jobs of a queue and a type are due.
package struct DueJobs: Sendable, Hashable {
  package let queue: JobQueueName
  package let type: JobTypeID
  package let count: Int

  package init(queue: JobQueueName, type: JobTypeID, count: Int) {
    self.queue = queue
    self.type = type
    self.count = count
  }
}
