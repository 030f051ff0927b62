public import Jobs

/// A job to be scheduled: the body of `POST /jobs`.
public struct ScheduleRequest: Sendable, Hashable {
  /// What kind of job it is.
  public var type: JobTypeID
  /// An object; what it leaves out is taken from the type's defaults.
  public var params: JSONValue
  /// Two requests with the same key (within one tenant) are one job. Made anew for each request, so that sending the same
  /// request again is safe.
  public var idempotencyKey: IdempotencyKey
  /// Not before this time is it run; `nil` is at once.
  public var scheduledAt: Timestamp?
  /// How long one execution may take; `nil` is what the type says, as with the following.
  public var timeout: Duration?
  /// After how many failures it is run again.
  public var maxRetries: Int?
  /// Before the first retry.
  public var retryDelay: Duration?
  /// How the delay grows.
  public var backoff: Backoff?
  /// No retry waits longer, jitter not counted.
  public var maxRetryDelay: Duration?
  /// 0 to 1.
  public var jitter: Double?
  /// 0 to 9: of the jobs of a queue that are due, those with the higher one run first.
  public var priority: Int?
  /// What the job's callback is told besides the params (`CarriedContext`). It does not tell a repetition.
  public var context: [String: String]
  /// The names of webhook endpoints that are to be told of the job's end, besides those that are told of all jobs of its type.
  public var webhooks: [String]

  /// A request; what is left out is taken from the type.
  public init(
    type: JobTypeID, params: JSONValue = [:], idempotencyKey: IdempotencyKey = .unique(),
    scheduledAt: Timestamp? = nil, timeout: Duration? = nil, maxRetries: Int? = nil,
    retryDelay: Duration? = nil, backoff: Backoff? = nil, maxRetryDelay: Duration? = nil,
    jitter: Double? = nil, priority: Int? = nil, context: [String: String] = [:],
    webhooks: [String] = []
  ) {
    self.type = type
    self.params = params
    self.idempotencyKey = idempotencyKey
    self.scheduledAt = scheduledAt
    self.timeout = timeout
    self.maxRetries = maxRetries
    self.retryDelay = retryDelay
    self.backoff = backoff
    self.maxRetryDelay = maxRetryDelay
    self.jitter = jitter
    self.priority = priority
    self.context = context
    self.webhooks = webhooks
  }
}

extension ScheduleRequest: Encodable {
  private enum CodingKeys: String, CodingKey {
    case type, params, backoff, jitter, priority, context, webhooks
    case idempotencyKey = "idempotency_key"
    case scheduledAt = "scheduled_at"
    case timeout = "timeout_sec"
    case maxRetries = "max_retries"
    case retryDelay = "retry_delay_sec"
    case maxRetryDelay = "max_retry_delay_sec"
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(type, forKey: .type)
    try container.encode(params, forKey: .params)
    try container.encode(idempotencyKey, forKey: .idempotencyKey)
    try container.encodeIfPresent(scheduledAt, forKey: .scheduledAt)
    try container.encodeIfPresent(timeout?.seconds, forKey: .timeout)
    try container.encodeIfPresent(maxRetries, forKey: .maxRetries)
    try container.encodeIfPresent(retryDelay?.seconds, forKey: .retryDelay)
    try container.encodeIfPresent(backoff, forKey: .backoff)
    try container.encodeIfPresent(maxRetryDelay?.seconds, forKey: .maxRetryDelay)
    try container.encodeIfPresent(jitter, forKey: .jitter)
    try container.encodeIfPresent(priority, forKey: .priority)
    if !context.isEmpty { try container.encode(context, forKey: .context) }
    if !webhooks.isEmpty { try container.encode(webhooks, forKey: .webhooks) }
  }
}

/// What became of a ``ScheduleRequest``.
public struct ScheduledJob: Sendable, Hashable {
  /// The job as the server has it.
  public let job: Job
  /// `false` when the idempotency key has made this job before.
  public let isNew: Bool
}

/// Which jobs a list has, and in which order: the query of `GET /jobs`. What is `nil` or empty is left to the server.
public struct JobFilter: Sendable, Hashable {
  /// Jobs in one of these; all when it is empty.
  public var statuses: [JobStatus]
  /// Jobs of this type only.
  public var type: JobTypeID?
  /// Jobs of this queue only.
  public var queue: JobQueueName?
  /// A member of a job, with `-` in front from the highest to the lowest.
  public var order: String?
  /// From 1. The higher it is, the more it costs; see ``after``.
  public var page: Int?
  /// What follows: the `next` of an earlier answer, instead of a page. It costs the same however far the list is walked.
  public var after: String?
  /// How many on one page, 1 to 1,000; 50 when it is `nil`.
  public var pageSize: Int?

  /// A filter; what is left out excludes nothing.
  public init(
    statuses: [JobStatus] = [], type: JobTypeID? = nil, queue: JobQueueName? = nil,
    order: String? = nil, page: Int? = nil, after: String? = nil, pageSize: Int? = nil
  ) {
    self.statuses = statuses
    self.type = type
    self.queue = queue
    self.order = order
    self.page = page
    self.after = after
    self.pageSize = pageSize
  }

  var query: [(name: String, value: String)] {
    var query: [(name: String, value: String)] = []
    func add(_ name: String, _ value: String?) {
      if let value { query.append((name, value)) }
    }
    add("status", statuses.isEmpty ? nil : statuses.map(\.rawValue).joined(separator: ","))
    add("type", type?.description)
    add("queue", queue?.rawValue)
    add("order", order)
    add("page", page.map(String.init))
    add("after", after)
    add("page_size", pageSize.map(String.init))
    return query
  }
}
