/// What a transaction of the store has changed, for those who are told of it.
public struct StoreCommit: Sendable {
  /// What was added to the transition log, in its order.
  public var transitions: [JobEvent] = []
  /// Jobs that became due: they wait, and their time has come.
  public var due: [DueJobs] = []
  /// The earliest time for which a job began to wait.
  public var nextDue: Timestamp?
  /// Jobs that are gone.
  public var deleted: [JobID] = []
  /// Whether a job ended of whose end somebody wants to be told, or somebody wants to be told of one that had.
  public var hasReplies = false

  public init() {}

  /// Whether there is nothing to tell.
  public var isEmpty: Bool {
    transitions.isEmpty && due.isEmpty && nextDue == nil && deleted.isEmpty && !hasReplies
  }
}

/// How many jobs of a queue and a type are due.
public struct DueJobs: Sendable, Hashable {
  public let queue: JobQueueName
  public let type: JobTypeID
  public let count: Int

  public init(queue: JobQueueName, type: JobTypeID, count: Int) {
    self.queue = queue
    self.type = type
    self.count = count
  }
}
