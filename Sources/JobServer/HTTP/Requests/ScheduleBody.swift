import Foundation
import Jobs

/// The body of `POST /jobs`. Everything that is wrong with it is said at once.
struct ScheduleBody: Equatable {
  static let members = [
    "type", "params", "idempotency_key", "scheduled_at", "timeout_sec", "max_retries",
    "retry_delay_sec", "backoff", "max_retry_delay_sec", "jitter", "priority",
  ]
  static let moments = JobSubmission.moments
  static let retries = JobSubmission.retries
  static let priorities =
    Int64(JobPriority.range.lowerBound)...Int64(JobPriority.range.upperBound)

  let type: JobTypeID
  let params: JSONValue
  let idempotencyKey: UUID?
  let scheduledAt: Timestamp?
  let timeout: Duration?
  let maxRetries: Int?
  let retryDelay: Duration?
  let backoff: Backoff?
  let maxRetryDelay: Duration?
  let jitter: Double?
  let priority: Int?

  /// - Parameter knownTypes: named when the type is none.
  /// - Throws: ``APIProblem`` when the bytes are no JSON, or its members are not what they have to be.
  init(
    parsing bytes: some Collection<UInt8>, knownTypes: @autoclosure () -> [JobTypeID]
  ) throws(APIProblem) {
    var reader = try MemberReader(parsing: bytes, known: Self.members)
    let typeName = reader.string("type")
    if typeName == nil { reader.require("type", "the job type, as in group:name") }
    params = reader.object("params") ?? [:]
    idempotencyKey = reader.uuid("idempotency_key")
    scheduledAt = reader.integer("scheduled_at", in: Self.moments, unit: "Unix milliseconds")
      .map(Timestamp.init(milliseconds:))
    timeout = reader.seconds("timeout_sec")
    maxRetries = reader.integer("max_retries", in: Self.retries).map { Int($0) }
    retryDelay = reader.seconds("retry_delay_sec")
    backoff = reader.choice("backoff")
    maxRetryDelay = reader.seconds("max_retry_delay_sec")
    jitter = reader.number("jitter", in: 0...1)
    priority = reader.integer("priority", in: Self.priorities).map { Int($0) }
    try reader.finish()
    do {
      type = try JobTypeID(typeName ?? "")
    } catch {
      let known = knownTypes()
      throw APIProblem(
        .unknownType,
        "type: \(error); known are \(known.map(\.description).joined(separator: ", "))",
        knownTypes: known)
    }
  }

  /// What the caller wishes.
  func submission(by caller: Caller) -> JobSubmission {
    JobSubmission(
      type: type, params: params, tenantID: caller.tenant, userID: caller.user,
      idempotencyKey: idempotencyKey, scheduledAt: scheduledAt, timeout: timeout,
      maxRetries: maxRetries, retryDelay: retryDelay, backoff: backoff,
      maxRetryDelay: maxRetryDelay, jitter: jitter, priority: priority)
  }
}
