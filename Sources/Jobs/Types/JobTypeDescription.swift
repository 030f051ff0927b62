/// What everyone but the code of a job type knows of it: what its worker announces and the API lists.
public struct JobTypeDescription: Sendable, Hashable {
  /// `group:name`.
  public let id: JobTypeID
  /// What it does, for people.
  public let description: String
  /// How long one execution may take; zero is without limit.
  public let timeout: Duration
  /// How long an attempt may say nothing, neither progress nor a heartbeat, before it ends as one that is late; zero is for ever.
  public let stallTimeout: Duration
  /// What happens after a failure, unless a job says otherwise.
  public let retry: RetryPolicy
  /// 0 to 9: higher ones first; of jobs that say nothing else.
  public let priority: Int
  /// The default instance; what a job leaves out is taken from here.
  public let params: JSONValue
  /// What params have to be.
  public let schema: ParamsSchema
  /// Whether its jobs can be suspended and resumed.
  public let suspendable: Bool
  /// Which callbacks its workers have.
  public let callbacks: Set<JobCallback>

  /// A description; ``JobType`` makes it from its defaults.
  public init(
    id: JobTypeID, description: String, timeout: Duration, stallTimeout: Duration = .zero,
    retry: RetryPolicy, priority: Int = JobPriority.standard, params: JSONValue,
    schema: ParamsSchema,
    suspendable: Bool, callbacks: Set<JobCallback> = []
  ) {
    self.id = id
    self.description = description
    self.timeout = min(max(.zero, timeout), .longest)
    self.stallTimeout = min(max(.zero, stallTimeout), .longest)
    self.retry = retry
    self.priority = JobPriority.clamped(priority)
    self.params = params
    self.schema = schema
    self.suspendable = suspendable
    self.callbacks = callbacks
  }
}

extension JobTypeDescription: Codable {
  private enum CodingKeys: String, CodingKey {
    case id = "type_id"
    case description, group, name, params, priority, suspendable, backoff, jitter, callbacks
    case timeout = "timeout_sec"
    case stallTimeout = "stall_timeout_sec"
    case maxRetries = "max_retries"
    case retryDelay = "retry_delay_sec"
    case maxRetryDelay = "max_retry_delay_sec"
    case schema = "params_schema"
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func duration(_ key: CodingKeys) throws -> Duration {
      let seconds = try container.decode(Double.self, forKey: key)
      guard let duration = Duration(checkedSeconds: seconds) else {
        throw DecodingError.dataCorruptedError(
          forKey: key, in: container,
          debugDescription: "\(seconds) is no number of seconds from 0 up")
      }
      return duration
    }
    let params = try container.decode(JSONValue.self, forKey: .params)
    // The schema nests twice as deeply as what it describes.
    guard params.isNested(atMost: JSONValue.maxDepth / 2) else {
      throw DecodingError.dataCorruptedError(
        forKey: .params, in: container,
        debugDescription: "nested more than \(JSONValue.maxDepth / 2) levels deep")
    }
    self.init(
      id: try container.decode(JobTypeID.self, forKey: .id),
      description: try container.decode(String.self, forKey: .description),
      timeout: try duration(.timeout),
      stallTimeout: container.contains(.stallTimeout) ? try duration(.stallTimeout) : .zero,
      retry: RetryPolicy(
        maxRetries: try container.decode(Int.self, forKey: .maxRetries),
        delay: try duration(.retryDelay),
        backoff: try container.decode(Backoff.self, forKey: .backoff),
        maxDelay: try duration(.maxRetryDelay),
        jitter: try container.decode(Double.self, forKey: .jitter)),
      priority: try container.decodeIfPresent(Int.self, forKey: .priority) ?? JobPriority.standard,
      params: params,
      schema: try container.decode(ParamsSchema.self, forKey: .schema),
      suspendable: try container.decode(Bool.self, forKey: .suspendable),
      callbacks: try container.decodeIfPresent(Set<JobCallback>.self, forKey: .callbacks) ?? [])
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(id, forKey: .id)
    try container.encode(description, forKey: .description)
    try container.encode(id.group, forKey: .group)
    try container.encode(id.name, forKey: .name)
    try container.encode(timeout.seconds, forKey: .timeout)
    try container.encode(stallTimeout.seconds, forKey: .stallTimeout)
    try container.encode(retry.maxRetries, forKey: .maxRetries)
    try container.encode(retry.delay.seconds, forKey: .retryDelay)
    try container.encode(retry.maxDelay.seconds, forKey: .maxRetryDelay)
    try container.encode(retry.backoff, forKey: .backoff)
    try container.encode(retry.jitter, forKey: .jitter)
    try container.encode(priority, forKey: .priority)
    try container.encode(params, forKey: .params)
    try container.encode(schema, forKey: .schema)
    try container.encode(suspendable, forKey: .suspendable)
    try container.encode(callbacks.sorted { $0.rawValue < $1.rawValue }, forKey: .callbacks)
  }
}
