/// A page of jobs: the answer to `GET /jobs`.
public struct JobList: Sendable, Hashable, Codable {
  /// The most that one page has.
  public let pageSize: Int
  /// From 1.
  public let pageNumber: Int
  /// The member that they are sorted by; with `-` in front, from the highest to the lowest.
  public let order: String
  /// How many there are on all pages.
  public let total: Int
  /// Where the list goes on, to be asked for with `after`; `nil` at its end, and where it is not ordered by `created_at`.
  public let next: String?
  /// Those of this page.
  public let jobs: [Job]

  /// A page; what a server answers with.
  public init(
    pageSize: Int, pageNumber: Int, order: String, total: Int, next: String? = nil, jobs: [Job]
  ) {
    self.pageSize = pageSize
    self.pageNumber = pageNumber
    self.order = order
    self.total = total
    self.next = next
    self.jobs = jobs
  }

  private enum CodingKeys: String, CodingKey {
    case order, total, next, jobs
    case pageSize = "page_size"
    case pageNumber = "page_number"
  }
}

extension JobList: JSONWritable {
  package func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.name("jobs")
      writer.array(jobs) { $1.write(to: &$0) }
      if let next {
        writer.name("next")
        writer.string(next)
      }
      writer.name("order")
      writer.string(order)
      writer.name("page_number")
      writer.integer(pageNumber)
      writer.name("page_size")
      writer.integer(pageSize)
      writer.name("total")
      writer.integer(total)
    }
  }
}

/// A page of job types: the answer to `GET /job_types`.
public struct JobTypeList: Sendable, Hashable, Codable {
  /// The most that one page has.
  public let pageSize: Int
  /// From 1.
  public let pageNumber: Int
  /// The member that they are sorted by; with `-` in front, from the highest to the lowest.
  public let order: String
  /// How many there are on all pages.
  public let total: Int
  /// Those of this page.
  public let jobTypes: [JobTypeDescription]

  /// A page; what a server answers with.
  public init(
    pageSize: Int, pageNumber: Int, order: String, total: Int, jobTypes: [JobTypeDescription]
  ) {
    self.pageSize = pageSize
    self.pageNumber = pageNumber
    self.order = order
    self.total = total
    self.jobTypes = jobTypes
  }

  private enum CodingKeys: String, CodingKey {
    case order, total
    case pageSize = "page_size"
    case pageNumber = "page_number"
    case jobTypes = "job_types"
  }
}

/// A page of job groups: the answer to `GET /job_groups`.
public struct JobGroupList: Sendable, Hashable, Codable {
  /// The most that one page has.
  public let pageSize: Int
  /// From 1.
  public let pageNumber: Int
  /// The member that they are sorted by; with `-` in front, from the highest to the lowest.
  public let order: String
  /// How many there are on all pages.
  public let total: Int
  /// Those of this page.
  public let jobGroups: [JobGroup]

  /// A page; what a server answers with.
  public init(pageSize: Int, pageNumber: Int, order: String, total: Int, jobGroups: [JobGroup]) {
    self.pageSize = pageSize
    self.pageNumber = pageNumber
    self.order = order
    self.total = total
    self.jobGroups = jobGroups
  }

  private enum CodingKeys: String, CodingKey {
    case order, total
    case pageSize = "page_size"
    case pageNumber = "page_number"
    case jobGroups = "job_groups"
  }
}

/// The webhook endpoints that are told of the tenant's jobs, or that they can name: the answer to `GET /webhooks`.
public struct WebhookList: Sendable, Hashable, Codable {
  /// By name.
  public let webhooks: [Webhook]

  /// A list; what a server answers with.
  public init(webhooks: [Webhook]) {
    self.webhooks = webhooks
  }
}

/// A webhook endpoint, as far as it is anybody's business but the operator's.
public struct Webhook: Sendable, Hashable, Codable {
  /// What jobs call it.
  public let name: String
  /// Scheme, host and port of its URL.
  public let origin: String
  /// The job types that it is told of, with `*` for any characters; none is only jobs that name it.
  public let types: [String]
  /// The ends that it is told of.
  public let statuses: [JobStatus]
  /// The queue in which its deliveries wait.
  public let queue: JobQueueName

  /// An endpoint; what a server answers with.
  public init(
    name: String, origin: String, types: [String], statuses: [JobStatus], queue: JobQueueName
  ) {
    self.name = name
    self.origin = origin
    self.types = types
    self.statuses = statuses
    self.queue = queue
  }
}

/// All job queues: the answer to `GET /queues`.
public struct QueueList: Sendable, Hashable, Codable {
  /// All queues, by name.
  public let queues: [QueueStatus]

  /// The queues; what a server answers with.
  public init(queues: [QueueStatus]) {
    self.queues = queues
  }
}

/// How much waits and runs in one job queue, and how many workers are there for it.
public struct QueueStatus: Sendable, Hashable, Codable {
  /// Which queue.
  public let name: JobQueueName
  /// How many of its jobs one worker runs at the same time, unless the worker says otherwise.
  public let capacity: Int
  /// Jobs that wait and are due.
  public let waiting: Int
  /// Jobs that wait for their time.
  public let scheduled: Int
  /// Jobs that some worker has.
  public let running: Int
  /// Workers that take jobs from it.
  public let workers: Int

  /// The state of a queue; what a server answers with.
  public init(
    name: JobQueueName, capacity: Int, waiting: Int, scheduled: Int, running: Int, workers: Int
  ) {
    self.name = name
    self.capacity = capacity
    self.waiting = waiting
    self.scheduled = scheduled
    self.running = running
    self.workers = workers
  }
}

/// The workers that are there: the answer to `GET /workers`.
public struct WorkerList: Sendable, Hashable, Codable {
  /// All workers that are there.
  public let workers: [WorkerStatus]

  /// The workers; what a server answers with.
  public init(workers: [WorkerStatus]) {
    self.workers = workers
  }
}

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

/// Why a request was not done as it wished (RFC 9457).
public struct Problem: Error, Sendable, Hashable, Codable {
  /// Identifies the kind of problem: a path such as `/problems/unknown-type`.
  public let type: String
  /// The kind of problem, for people.
  public let title: String
  /// The HTTP status.
  public let status: Int
  /// What was wrong this time, and what would be right.
  public let detail: String
  /// The job types that exist, where one was named that does not.
  public let knownTypes: [JobTypeID]?
  /// The job that stands in the way.
  public let jobID: JobID?
  /// All that does not fit, where params do not; at most 20.
  public let errors: [ParamsViolation]?
  /// After how long to ask again, where the answer said so (`Retry-After`). Not part of the JSON form.
  public package(set) var retryAfter: Duration?

  /// A problem; what a server answers with.
  public init(
    type: String, title: String, status: Int, detail: String, knownTypes: [JobTypeID]? = nil,
    jobID: JobID? = nil, errors: [ParamsViolation]? = nil
  ) {
    self.type = type
    self.title = title
    self.status = status
    self.detail = detail
    self.knownTypes = knownTypes
    self.jobID = jobID
    self.errors = errors
  }

  private enum CodingKeys: String, CodingKey {
    case type, title, status, detail, errors
    case knownTypes = "known_types"
    case jobID = "job_id"
  }
}
