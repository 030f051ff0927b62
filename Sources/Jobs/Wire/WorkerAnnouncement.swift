/// What a worker says of itself when it starts, when it is asked, and after each reconnection.
public struct WorkerAnnouncement: Sendable, Hashable, Codable {
  /// Who it is.
  public let worker: WorkerID
  /// Where it runs.
  public let host: String
  /// Its process there.
  public let processID: Int32
  /// Since when.
  public let startedAt: Timestamp
  /// The queues that it takes jobs from, with the capacity that it has for each.
  public let queues: [JobQueue]
  /// The groups of its types.
  public let groups: [JobGroup]
  /// What it can run.
  public let types: [JobTypeDescription]
  /// What it runs at the moment. It may have been taken for lost meanwhile, and its jobs given to others.
  public var running: [RunningAttempt]

  /// An announcement; made by the worker.
  public init(
    worker: WorkerID, host: String, processID: Int32, startedAt: Timestamp, queues: [JobQueue],
    groups: [JobGroup], types: [JobTypeDescription], running: [RunningAttempt] = []
  ) {
    self.worker = worker
    self.host = host
    self.processID = processID
    self.startedAt = startedAt
    self.queues = queues
    self.groups = groups
    self.types = types
    self.running = running
  }

  private enum CodingKeys: String, CodingKey {
    case worker, host, queues, groups, types, running
    case processID = "pid"
    case startedAt = "started_at"
  }
}
