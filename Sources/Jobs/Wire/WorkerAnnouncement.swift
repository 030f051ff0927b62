/// What a worker says of itself when it starts, when it is asked, and after each reconnection.
public struct WorkerAnnouncement: Sendable, Hashable, Codable {
  public let worker: WorkerID
  public let host: String
  public let processID: Int32
  public let startedAt: Timestamp
  /// The queues that it takes jobs from, with the capacity that it has for each.
  public let queues: [JobQueue]
  public let groups: [JobGroup]
  public let types: [JobTypeDescription]

  public init(
    worker: WorkerID, host: String, processID: Int32, startedAt: Timestamp, queues: [JobQueue],
    groups: [JobGroup], types: [JobTypeDescription]
  ) {
    self.worker = worker
    self.host = host
    self.processID = processID
    self.startedAt = startedAt
    self.queues = queues
    self.groups = groups
    self.types = types
  }

  private enum CodingKeys: String, CodingKey {
    case worker, host, queues, groups, types
    case processID = "pid"
    case startedAt = "started_at"
  }
}
