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
  /// Why it takes no jobs for now; `nil` when it does.
  public let outage: WorkerOutage?
  /// Why it takes none from some of its queues, each of which names its own; `nil` when there is no such queue.
  public let queueOutages: [WorkerOutage]?
  /// Attempts that were told to end and do not, each of which holds a slot; `nil` when there are none.
  public let stuck: [StuckAttempt]?

  /// The state of a worker; what a server answers with.
  public init(
    id: WorkerID, host: String, processID: Int32, startedAt: Timestamp, queues: [JobQueue],
    types: [JobTypeID], running: Int, outage: WorkerOutage? = nil,
    queueOutages: [WorkerOutage]? = nil, stuck: [StuckAttempt]? = nil
  ) {
    self.id = id
    self.host = host
    self.processID = processID
    self.startedAt = startedAt
    self.queues = queues
    self.types = types
    self.running = running
    self.outage = outage
    self.queueOutages = queueOutages
    self.stuck = stuck
  }

  private enum CodingKeys: String, CodingKey {
    case id, host, queues, types, running, outage, stuck
    case queueOutages = "queue_outages"
    case processID = "pid"
    case startedAt = "started_at"
  }
}
