public import Foundation

/// A wish that a job be run, as a producer states it: nothing of it has been checked against what the server knows.
public struct JobSubmission: Sendable, Hashable {
  /// When a job may be scheduled for, in Unix milliseconds: up to the end of the year 9999.
  package static let moments: ClosedRange<Int64> = 0...253_402_300_799_999
  /// How often a failed job may be run again.
  public static let retries: ClosedRange<Int64> = 0...1_000_000

  /// What kind of job it is.
  public var type: JobTypeID
  /// An object; what it leaves out is taken from the type's defaults.
  public var params: JSONValue
  /// The id that the job shall have; made by the server when it is `nil`.
  public var id: JobID?
  /// Whose job it is.
  public var tenantID: UUID
  /// Who schedules it.
  public var userID: UUID
  /// Two submissions with the same key (within one tenant) are one job.
  public var idempotencyKey: IdempotencyKey?
  /// Not before this time is it run.
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
  /// 0 to 9: higher ones first; what is out of range is taken to the nearest one in range.
  public var priority: Int?
  /// Whether the tenant and the user are meant, though they be zeros, and are not to be filled in.
  private var hasTenant = false
  private var hasUser = false
  /// Where the final job is sent.
  package var reply: JobReply?
  /// The job that is to be done again.
  package var retryOf: JobID?
  /// What the job's callback is told besides the params (``CarriedContext``). It does not tell a repetition.
  public var context: [String: String]
  /// The names of webhook endpoints of the server that are to be told of the job's end, besides those that are told of all jobs of
  /// its type. They do not tell a repetition.
  public var webhooks: [String] = []

  /// A submission; what is left out is taken from the type, or made by the server.
  public init(
    type: JobTypeID, params: JSONValue = [:], id: JobID? = nil, tenantID: UUID = .zero,
    userID: UUID = .zero, idempotencyKey: IdempotencyKey? = nil, scheduledAt: Timestamp? = nil,
    timeout: Duration? = nil, maxRetries: Int? = nil, retryDelay: Duration? = nil,
    backoff: Backoff? = nil, maxRetryDelay: Duration? = nil, jitter: Double? = nil,
    priority: Int? = nil, context: [String: String] = [:]
  ) {
    self.type = type
    self.params = params
    self.id = id
    self.tenantID = tenantID
    self.userID = userID
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
  }

  /// Names whose job it is, and who schedules it, where nobody has done so.
  package mutating func fillOwner(tenant: UUID?, user: UUID?) {
    if let tenant, !hasTenant, tenantID == .zero { tenantID = tenant }
    if let user, !hasUser, userID == .zero { userID = user }
    hasTenant = hasTenant || tenant != nil
    hasUser = hasUser || user != nil
  }

  /// Makes the job that this asks for.
  ///
  /// - Throws: ``ParamsError`` when the params do not fit the type's schema.
  package func job(
    of description: JobTypeDescription, queue: JobQueueName, at now: Timestamp
  ) throws(ParamsError) -> Job {
    var retry = description.retry
    if let maxRetries { retry.maxRetries = max(0, maxRetries) }
    if let retryDelay { retry.delay = min(max(.zero, retryDelay), .longest) }
    retry = RetryPolicy(
      maxRetries: retry.maxRetries, delay: retry.delay, backoff: backoff ?? retry.backoff,
      maxDelay: maxRetryDelay ?? retry.maxDelay, jitter: jitter ?? retry.jitter)
    let id = id ?? JobID()
    var job = Job(
      id: id, tenantID: tenantID, userID: userID,
      // The same id again is the same job.
      idempotencyKey: idempotencyKey?.uuid ?? id.uuid, type: type, queue: queue,
      params: try description.schema.complete(params),
      timeout: min(max(.zero, timeout ?? description.timeout), .longest), retry: retry,
      priority: priority ?? description.priority, context: context,
      scheduledAt: max(scheduledAt ?? now, now), createdAt: now)
    if let reply { job.replies = [reply] }
    job.retryOf = retryOf
    job.webhooks = webhooks
    // A worker has to look at it first.
    if description.callbacks.contains(.initialize) { job.status = .initializing }
    return job
  }
}

/// The wish that a job shall not go on, as it is published where the server may be away.
public struct JobCancellation: Sendable, Hashable {
  /// The most characters of a reason.
  public static let longestReason = 1000

  /// Which job.
  public var job: JobID
  /// The key under which it was scheduled: should that have made another job, that one is meant.
  public var idempotencyKey: IdempotencyKey?
  /// Whose job it is; that of another tenant is not there.
  public var tenantID: UUID
  /// Why, for people; it becomes the job's details.
  public var reason: String?

  /// The cancellation of a job.
  public init(job: JobID, tenantID: UUID = .zero, reason: String? = nil) {
    self.job = job
    self.tenantID = tenantID
    self.reason = reason
  }
}

/// Where the final job of a submission is to be sent: what the producer gave as `reply_to` and `correlation_id`.
package struct JobReply: Sendable, Hashable, Codable {
  /// The most producers that are told of one job's end; of more, the latest.
  package static let mostOfOneJob = 32

  /// A queue, or a direct reply-to address.
  package let address: String
  /// Repeated in the message, so that the producer knows what it is about.
  package let correlationID: String?

  /// A wish to be told.
  package init(address: String, correlationID: String? = nil) {
    self.address = address
    self.correlationID = correlationID
  }
}
