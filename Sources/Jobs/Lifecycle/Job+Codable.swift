import Foundation

/// The JSON form that the API shows and events carry: the names of the reference's `Job`, times in Unix milliseconds,
/// durations in seconds. Params and result are JSON values, not texts that hold JSON.
extension Job: Codable {
  private enum CodingKeys: String, CodingKey {
    case id, type, queue, params, priority, context, status, eta, progress, details, retries, error,
      result,
      attempt, webhooks
    case tenantID = "tenant_id"
    case userID = "user_id"
    case idempotencyKey = "idempotency_key"
    case scheduledAt = "scheduled_at"
    case createdAt = "created_at"
    case updatedAt = "updated_at"
    case startedAt = "started_at"
    case attemptStartedAt = "attempt_started_at"
    case lockedBy = "locked_by"
    case progressDetails = "progress_details"
    case timeout = "timeout_sec"
    case maxRetries = "max_retries"
    case retryDelay = "retry_delay_sec"
    case backoff
    case jitter
    case maxRetryDelay = "max_retry_delay_sec"
    case worker = "worker_id"
    case lostWorkers = "lost_workers"
    case retryOf = "retry_of"
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(id, forKey: .id)
    try container.encode(tenantID.uuidString.lowercased(), forKey: .tenantID)
    try container.encode(userID.uuidString.lowercased(), forKey: .userID)
    try container.encode(idempotencyKey.uuidString.lowercased(), forKey: .idempotencyKey)
    try container.encode(type, forKey: .type)
    try container.encode(queue, forKey: .queue)
    try container.encode(priority, forKey: .priority)
    if !context.isEmpty { try container.encode(context, forKey: .context) }
    try container.encode(status, forKey: .status)
    try container.encode(scheduledAt, forKey: .scheduledAt)
    try container.encode(createdAt, forKey: .createdAt)
    try container.encode(updatedAt, forKey: .updatedAt)
    try container.encode(startedAt, forKey: .startedAt)
    try container.encode(attemptStartedAt, forKey: .attemptStartedAt)
    try container.encode(eta, forKey: .eta)
    try container.encode(lockedBy, forKey: .lockedBy)
    try container.encode(progress, forKey: .progress)
    try container.encode(progressDetails, forKey: .progressDetails)
    try container.encode(details, forKey: .details)
    try container.encode(timeout.seconds, forKey: .timeout)
    try container.encode(retry.maxRetries, forKey: .maxRetries)
    try container.encode(retry.delay.seconds, forKey: .retryDelay)
    try container.encode(retry.backoff, forKey: .backoff)
    try container.encode(retry.jitter, forKey: .jitter)
    try container.encode(retry.maxDelay.seconds, forKey: .maxRetryDelay)
    try container.encode(retries, forKey: .retries)
    try container.encode(attempt, forKey: .attempt)
    try container.encode(worker, forKey: .worker)
    try container.encode(lostWorkers, forKey: .lostWorkers)
    try container.encodeIfPresent(retryOf, forKey: .retryOf)
    if !webhooks.isEmpty { try container.encode(webhooks, forKey: .webhooks) }
    try container.encodeIfPresent(error, forKey: .error)
    try container.encodeIfPresent(result, forKey: .result)
    try container.encode(params, forKey: .params)
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
    self.init(
      id: try container.decode(JobID.self, forKey: .id),
      tenantID: try container.decode(UUID.self, forKey: .tenantID),
      userID: try container.decode(UUID.self, forKey: .userID),
      idempotencyKey: try container.decode(UUID.self, forKey: .idempotencyKey),
      type: try container.decode(JobTypeID.self, forKey: .type),
      queue: try container.decode(JobQueueName.self, forKey: .queue),
      params: try container.decode(JSONValue.self, forKey: .params),
      timeout: try duration(.timeout),
      retry: RetryPolicy(
        maxRetries: try container.decode(Int.self, forKey: .maxRetries),
        delay: try duration(.retryDelay),
        backoff: try container.decode(Backoff.self, forKey: .backoff),
        maxDelay: try duration(.maxRetryDelay),
        jitter: try container.decode(Double.self, forKey: .jitter)),
      priority: try container.decodeIfPresent(Int.self, forKey: .priority) ?? JobPriority.standard,
      context: try container.decodeIfPresent([String: String].self, forKey: .context) ?? [:],
      scheduledAt: try container.decode(Timestamp.self, forKey: .scheduledAt),
      createdAt: try container.decode(Timestamp.self, forKey: .createdAt))
    status = try container.decode(JobStatus.self, forKey: .status)
    updatedAt = try container.decode(Timestamp.self, forKey: .updatedAt)
    startedAt = try container.decodeIfPresent(Timestamp.self, forKey: .startedAt)
    attemptStartedAt = try container.decodeIfPresent(Timestamp.self, forKey: .attemptStartedAt)
    eta = try container.decodeIfPresent(Timestamp.self, forKey: .eta)
    lockedBy = try container.decodeIfPresent(JobID.self, forKey: .lockedBy)
    progress = try container.decode(Double.self, forKey: .progress)
    progressDetails = try container.decode(String.self, forKey: .progressDetails)
    details = try container.decode(String.self, forKey: .details)
    retries = try container.decode(Int.self, forKey: .retries)
    attempt = try container.decode(Int.self, forKey: .attempt)
    worker = try container.decodeIfPresent(WorkerID.self, forKey: .worker)
    lostWorkers = try container.decode(Int.self, forKey: .lostWorkers)
    retryOf = try container.decodeIfPresent(JobID.self, forKey: .retryOf)
    webhooks = try container.decodeIfPresent([String].self, forKey: .webhooks) ?? []
    error = try container.decodeIfPresent(String.self, forKey: .error)
    result = try container.decodeIfPresent(JSONValue.self, forKey: .result)
  }
}

extension Job: JSONWritable {
  package func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.name("attempt")
      writer.integer(attempt)
      writer.name("attempt_started_at")
      writer.optional(attemptStartedAt)
      writer.name("backoff")
      writer.string(retry.backoff.rawValue)
      if !context.isEmpty {
        writer.name("context")
        writer.value(.object(context.mapValues(JSONValue.string)))
      }
      writer.name("created_at")
      writer.integer(createdAt.milliseconds)
      writer.name("details")
      writer.string(details)
      if let error {
        writer.name("error")
        writer.string(error)
      }
      writer.name("eta")
      writer.optional(eta)
      writer.name("id")
      writer.string(id.uuid)
      writer.name("idempotency_key")
      writer.string(idempotencyKey)
      writer.name("jitter")
      writer.number(retry.jitter)
      writer.name("locked_by")
      if let lockedBy { writer.string(lockedBy.uuid) } else { writer.null() }
      writer.name("lost_workers")
      writer.integer(lostWorkers)
      writer.name("max_retries")
      writer.integer(retry.maxRetries)
      writer.name("max_retry_delay_sec")
      writer.number(retry.maxDelay.seconds)
      writer.name("params")
      writer.value(params)
      writer.name("priority")
      writer.integer(priority)
      writer.name("progress")
      writer.number(progress)
      writer.name("progress_details")
      writer.string(progressDetails)
      writer.name("queue")
      writer.string(queue.rawValue)
      if let result {
        writer.name("result")
        writer.value(result)
      }
      writer.name("retries")
      writer.integer(retries)
      writer.name("retry_delay_sec")
      writer.number(retry.delay.seconds)
      if let retryOf {
        writer.name("retry_of")
        writer.string(retryOf.uuid)
      }
      writer.name("scheduled_at")
      writer.integer(scheduledAt.milliseconds)
      writer.name("started_at")
      writer.optional(startedAt)
      writer.name("status")
      writer.string(status.rawValue)
      writer.name("tenant_id")
      writer.string(tenantID)
      writer.name("timeout_sec")
      writer.number(timeout.seconds)
      writer.name("type")
      writer.string(type.description)
      writer.name("updated_at")
      writer.integer(updatedAt.milliseconds)
      writer.name("user_id")
      writer.string(userID)
      if !webhooks.isEmpty {
        writer.name("webhooks")
        writer.array(webhooks) { $0.string($1) }
      }
      writer.name("worker_id")
      if let worker { writer.string(worker.rawValue) } else { writer.null() }
    }
  }
}

extension JSONWriter {
  fileprivate mutating func optional(_ time: Timestamp?) {
    if let time { integer(time.milliseconds) } else { null() }
  }
}
