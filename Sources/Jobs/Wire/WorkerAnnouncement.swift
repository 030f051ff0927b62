/// Why a worker that is there takes no jobs for now: it cannot start programs, say.
public struct WorkerOutage: Sendable, Hashable, Codable {
  /// What is wrong with the worker, for people.
  public let reason: String
  /// Since when.
  public let since: Timestamp
  /// The queue that it takes no jobs from; `nil` when that is so for all.
  public let queue: JobQueueName?

  /// An outage; noted by the worker.
  public init(reason: String, since: Timestamp, queue: JobQueueName? = nil) {
    self.reason = reason
    self.since = since
    self.queue = queue
  }
}

/// An attempt that was told to end and does not: it holds a slot of its worker.
public struct StuckAttempt: Sendable, Hashable, Codable {
  /// Of which job.
  public let job: JobID
  /// Which attempt.
  public let attempt: Int
  /// Whose callback does not end.
  public let type: JobTypeID
  /// Whose slot it holds.
  public let queue: JobQueueName
  /// Since when it should have ended.
  public let since: Timestamp
  /// Whether the job goes its way without it, so that the server does not count it as running any more.
  public let isSettled: Bool

  /// A stuck attempt; noted by its worker.
  public init(
    job: JobID, attempt: Int, type: JobTypeID, queue: JobQueueName, since: Timestamp,
    isSettled: Bool
  ) {
    self.job = job
    self.attempt = attempt
    self.type = type
    self.queue = queue
    self.since = since
    self.isSettled = isSettled
  }

  private enum CodingKeys: String, CodingKey {
    case job, attempt, type, queue, since
    case isSettled = "settled"
  }
}

/// What a worker says of itself when it starts, when it is asked, and after each reconnection.
package struct WorkerAnnouncement: Sendable, Hashable, Codable {
  /// Who it is.
  package let worker: WorkerID
  /// Where it runs.
  package let host: String
  /// Its process there.
  package let processID: Int32
  /// Since when.
  package let startedAt: Timestamp
  /// The queues that it takes jobs from, with the capacity that it has for each.
  package let queues: [JobQueue]
  /// The groups of its types.
  package let groups: [JobGroup]
  /// What it can run.
  package let types: [JobTypeDescription]
  /// What it says that it can run, and whose schema the server does not take. Not sent.
  package private(set) var refusedTypes: [RefusedType] = []
  /// Raised by the worker when it was taken for lost: it claims under this one.
  package var epoch: Int64
  /// The queues for which it was told to park: it waits to be woken. `nil` when there is none.
  package var parked: [JobQueueName]?
  /// What it runs at the moment. It may have been taken for lost meanwhile, and its jobs given to others.
  package var running: [RunningAttempt]
  /// Why it takes no jobs for now; `nil` when it does, and from a worker that is older than this.
  package var outage: WorkerOutage?
  /// Why it takes none from some of its queues; `nil` when there is no such queue.
  package var queueOutages: [WorkerOutage]?
  /// What does not end though it was told to; `nil` when there is nothing.
  package var stuck: [StuckAttempt]?

  /// An announcement; made by the worker.
  package init(
    worker: WorkerID, host: String, processID: Int32, startedAt: Timestamp, queues: [JobQueue],
    groups: [JobGroup], types: [JobTypeDescription], epoch: Int64 = 1,
    parked: [JobQueueName]? = nil, running: [RunningAttempt] = [],
    outage: WorkerOutage? = nil, queueOutages: [WorkerOutage]? = nil, stuck: [StuckAttempt]? = nil
  ) {
    self.worker = worker
    self.host = host
    self.processID = processID
    self.startedAt = startedAt
    self.queues = queues
    self.groups = groups
    self.types = types
    self.epoch = epoch
    self.parked = parked
    self.running = running
    self.outage = outage
    self.queueOutages = queueOutages
    self.stuck = stuck
  }

  private enum CodingKeys: String, CodingKey {
    case worker, host, queues, groups, types, epoch, parked, running, outage, stuck
    case queueOutages = "queue_outages"
    case processID = "pid"
    case startedAt = "started_at"
  }
}

/// A job type that is not taken from its worker, and why.
package struct RefusedType: Sendable, Hashable {
  package let id: JobTypeID
  package let reason: SchemaError
}

extension WorkerAnnouncement {
  /// One whose schema is refused does not cost the worker its other types.
  private enum AnnouncedType: Decodable {
    case taken(JobTypeDescription)
    case refused(RefusedType)

    private enum CodingKeys: String, CodingKey { case id = "type_id" }

    init(from decoder: any Decoder) throws {
      do {
        self = .taken(try JobTypeDescription(from: decoder))
      } catch DecodingError.dataCorrupted(let context) {
        guard let reason = context.underlyingError as? SchemaError else {
          throw DecodingError.dataCorrupted(context)
        }
        let id = try decoder.container(keyedBy: CodingKeys.self).decode(JobTypeID.self, forKey: .id)
        self = .refused(RefusedType(id: id, reason: reason))
      }
    }
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    var types: [JobTypeDescription] = []
    var refused: [RefusedType] = []
    for type in try container.decode([AnnouncedType].self, forKey: .types) {
      switch type {
      case .taken(let type): types.append(type)
      case .refused(let type): refused.append(type)
      }
    }
    self.init(
      worker: try container.decode(WorkerID.self, forKey: .worker),
      host: try container.decode(String.self, forKey: .host),
      processID: try container.decode(Int32.self, forKey: .processID),
      startedAt: try container.decode(Timestamp.self, forKey: .startedAt),
      queues: try container.decode([JobQueue].self, forKey: .queues),
      groups: try container.decode([JobGroup].self, forKey: .groups), types: types,
      epoch: try container.decode(Int64.self, forKey: .epoch),
      parked: try container.decodeIfPresent([JobQueueName].self, forKey: .parked),
      running: try container.decode([RunningAttempt].self, forKey: .running),
      outage: try container.decodeIfPresent(WorkerOutage.self, forKey: .outage),
      queueOutages: try container.decodeIfPresent([WorkerOutage].self, forKey: .queueOutages),
      stuck: try container.decodeIfPresent([StuckAttempt].self, forKey: .stuck))
    refusedTypes = refused
  }
}
