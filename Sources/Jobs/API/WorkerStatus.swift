/// One worker process.
public struct WorkerStatus: Sendable, Hashable, Codable {
  public let id: WorkerID
  public let host: String
  public let processID: Int32
  public let startedAt: Timestamp
  /// The queues that it takes jobs from, with its capacity for each.
  public let queues: [JobQueue]
  public let types: [JobTypeID]
  /// How many jobs it has.
  public let running: Int

  public init(
    id: WorkerID, host: String, processID: Int32, startedAt: Timestamp, queues: [JobQueue],
    types: [JobTypeID], running: Int
  ) {
    self.id = id
    self.host = host
    self.processID = processID
    self.startedAt = startedAt
    self.queues = queues
    self.types = types
    self.running = running
  }

  private enum CodingKeys: String, CodingKey {
    case id, host, queues, types, running
    case processID = "pid"
    case startedAt = "started_at"
  }
}
