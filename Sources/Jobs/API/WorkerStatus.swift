/// One worker process.
public struct WorkerStatus: Sendable, Hashable, Codable {
  /// The name that its queues and connections carry.
  public let id: WorkerID
  /// Where it runs.
  public let host: String
  /// Its process there.
  public let processID: Int32
  /// When it started.
  public let startedAt: Timestamp
  /// The queues that it takes jobs from, with its capacity for each.
  public let queues: [JobQueue]
  /// What it can run.
  public let types: [JobTypeID]
  /// How many jobs it has.
  public let running: Int

  /// The state of a worker; what a server answers with.
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
