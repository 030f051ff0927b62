package import AMQP
import Foundation
package import Jobs

/// The job message: what a producer in any language writes. The body is the params in JSON, the property `type` the job
/// type; all else is optional: the properties `message_id`, `priority`, `reply_to` and `correlation_id`, and headers. A
/// ``CloudEvent`` says the same in other words.
package enum JobMessage {
  static let typeHeader = "type"
  static let idempotencyKey = "idempotency-key"
  static let tenantID = "tenant-id"
  static let userID = "user-id"
  static let scheduledAt = "scheduled-at"
  static let timeout = "timeout-sec"
  static let maxRetries = "max-retries"
  static let retryDelay = "retry-delay-sec"
  static let backoff = "backoff"
  static let maxRetryDelay = "max-retry-delay-sec"
  static let jitter = "jitter"
  /// Names, separated by commas.
  static let webhooks = "webhooks"
  /// Before the name of an entry of the context. W3C's trace headers go by their own names.
  static let contextPrefix = "context-"

  /// Reads a job message.
  ///
  /// - Throws: ``JobMessageError`` that names the property or header that is wrong.
  package static func submission(_ message: Message) throws(JobMessageError) -> JobSubmission {
    let headers = try JobMessageHeaders(message)
    let event = try CloudEvent.read(message, headers)
    var submission =
      if let event {
        JobSubmission(type: event.type, params: event.params)
      } else {
        JobSubmission(type: try type(message), params: try params(message))
      }
    if let id = message.properties.messageID {
      guard let id = JobID(id) else {
        throw JobMessageError(
          .badProperty, "the property message_id must be a UUID, not '\(id.prefix(100))'")
      }
      submission.id = id
    }
    submission.idempotencyKey =
      try headers.idempotencyKey(idempotencyKey) ?? event?.idempotencyKey
    submission.tenantID = try headers.uuid(tenantID) ?? .zero
    submission.userID = try headers.uuid(userID) ?? .zero
    try readTimes(headers, &submission)
    submission.backoff = try headers.choice(backoff)
    submission.context = try headers.context()
    submission.webhooks = try headers.names(webhooks)
    if let event { try tell(event, &submission.context) }
    // AMQP has 256 of them; what is above the highest of ours counts as that.
    submission.priority = message.properties.priority.map { JobPriority.clamped(Int($0)) }
    submission.reply = message.properties.replyTo.map {
      JobReply(address: $0, correlationID: message.properties.correlationID)
    }
    return submission
  }

  /// A trace that came with the message itself is where the event was sent on last, and goes before the event's own.
  private static func tell(
    _ event: CloudEvent, _ context: inout [String: String]
  ) throws(JobMessageError) {
    for (name, value) in event.context {
      if let own = context[name], own != value {
        throw JobMessageError(
          .badHeader,
          "the header \(contextPrefix)\(name) says '\(own.shortened(to: 100))', and the CloudEvent '\(value.shortened(to: 100))'"
        )
      }
      context[name] = value
    }
    if context[CarriedContext.traceparent] == nil {
      context[CarriedContext.tracestate] = nil
      context.merge(event.trace) { $1 }
    }
  }

  private static func readTimes(
    _ headers: JobMessageHeaders, _ submission: inout JobSubmission
  ) throws(JobMessageError) {
    submission.scheduledAt = try headers.integer(scheduledAt, in: JobSubmission.moments)
      .map(Timestamp.init(milliseconds:))
    submission.timeout = try headers.seconds(timeout)
    submission.maxRetries = try headers.integer(maxRetries, in: JobSubmission.retries)
      .map(Int.init(clamping:))
    submission.retryDelay = try headers.seconds(retryDelay)
    submission.maxRetryDelay = try headers.seconds(maxRetryDelay)
    submission.jitter = try headers.number(jitter, in: 0...1)
  }

  /// Why a server would not take the message that was written of a submission, as far as that is known here: its times and numbers.
  package static func refusal(
    of message: Message, _ submission: JobSubmission
  ) -> JobMessageError? {
    guard
      submission.scheduledAt != nil || submission.timeout != nil || submission.maxRetries != nil
        || submission.retryDelay != nil || submission.maxRetryDelay != nil
        || submission.jitter != nil
    else { return nil }
    do throws(JobMessageError) {
      var read = submission
      try readTimes(JobMessageHeaders(message), &read)
      return nil
    } catch {
      return error
    }
  }

  /// Writes a job message, persistent.
  package static func message(_ submission: JobSubmission) -> Message {
    var properties = MessageProperties()
    properties.type = submission.type.description
    properties.contentType = "application/json"
    properties.deliveryMode = .persistent
    properties.messageID = submission.id?.description
    var headers = FieldTable()
    if let key = submission.idempotencyKey { headers[idempotencyKey] = .string(key.description) }
    if submission.tenantID != .zero { headers[tenantID] = .string(text(submission.tenantID)) }
    if submission.userID != .zero { headers[userID] = .string(text(submission.userID)) }
    if let at = submission.scheduledAt { headers[scheduledAt] = .int64(at.milliseconds) }
    if let limit = submission.timeout { headers[timeout] = .double(limit.seconds) }
    if let retries = submission.maxRetries { headers[maxRetries] = .int64(Int64(retries)) }
    if let delay = submission.retryDelay { headers[retryDelay] = .double(delay.seconds) }
    if let growth = submission.backoff { headers[backoff] = .string(growth.rawValue) }
    if let limit = submission.maxRetryDelay { headers[maxRetryDelay] = .double(limit.seconds) }
    if let chance = submission.jitter { headers[jitter] = .double(chance) }
    for (name, value) in submission.context.sorted(by: { $0.key < $1.key }) {
      let isTrace = CarriedContext.traceHeaders.contains(name)
      headers[isTrace ? name : contextPrefix + name] = .string(value)
    }
    if !submission.webhooks.isEmpty {
      headers[webhooks] = .string(submission.webhooks.joined(separator: ","))
    }
    properties.priority = submission.priority.map { UInt8(JobPriority.clamped($0)) }
    properties.replyTo = submission.reply?.address
    properties.correlationID = submission.reply?.correlationID
    properties.headers = headers
    return Message(body: Array(submission.params.text.utf8), properties: properties)
  }

  private static func text(_ uuid: UUID) -> String { uuid.uuidString.lowercased() }

  /// The property, or the header of the same name: not every tool can set the property (`amqp-publish` cannot).
  static func declaredType(_ message: Message) -> String? {
    message.properties.type ?? message.properties.headers[typeHeader]?.stringValue
  }

  private static func type(_ message: Message) throws(JobMessageError) -> JobTypeID {
    guard let type = declaredType(message) else {
      throw JobMessageError(
        .badProperty,
        "the property type is missing; it names the job type, as in group:name")
    }
    do {
      return try JobTypeID(type)
    } catch {
      throw JobMessageError(.badProperty, "the property type: \(error)")
    }
  }

  /// An empty body stands for no params.
  static func params(_ message: Message) throws(JobMessageError) -> JSONValue {
    guard !message.body.isEmpty else { return [:] }
    do {
      let params = try JSONValue(parsing: message.body)
      guard params.members != nil else {
        throw JobMessageError(
          .badBody, "the body must be a JSON object of params, not \(params.kind.rawValue)")
      }
      return params
    } catch let error as JSONError {
      throw JobMessageError(.badBody, "the body must be a JSON object of params: \(error)")
    } catch let error as JobMessageError {
      throw error
    } catch {
      throw JobMessageError(.badBody, "\(error)")
    }
  }
}

/// Reads the headers of a job message. Producers' libraries choose the AMQP type of a number themselves, and a person in
/// the management UI can often give only text; each is taken where it says the same.
struct JobMessageHeaders {
  let table: FieldTable

  /// Throws if they came in a shape that cannot be read at all.
  init(_ message: Message) throws(JobMessageError) {
    if let why = message.properties.headersRefused { throw JobMessageError(.badHeader, why) }
    table = message.properties.headers
  }

  func uuid(_ name: String) throws(JobMessageError) -> UUID? {
    guard let value = table[name] else { return nil }
    guard let text = value.stringValue, let uuid = UUID(uuidString: text) else {
      throw JobMessageError(.badHeader, "the header \(name) must be a UUID, not \(value)")
    }
    return uuid
  }

  func idempotencyKey(_ name: String) throws(JobMessageError) -> IdempotencyKey? {
    guard let value = table[name] else { return nil }
    guard let text = value.stringValue else {
      throw JobMessageError(.badHeader, "the header \(name) must be a text, not \(value)")
    }
    do {
      return try IdempotencyKey(text)
    } catch {
      throw JobMessageError(.badHeader, "the header \(name): \(error)")
    }
  }

  func integer(
    _ name: String, in range: ClosedRange<Int64>
  ) throws(JobMessageError) -> Int64? {
    guard let value = table[name] else { return nil }
    guard let integer = value.integerValue ?? value.stringValue.flatMap(Int64.init),
      range.contains(integer)
    else {
      throw JobMessageError(
        .badHeader,
        "the header \(name) must be an integer from \(range.lowerBound) to \(range.upperBound), not \(value)"
      )
    }
    return integer
  }

  func number(
    _ name: String, in range: ClosedRange<Double>
  ) throws(JobMessageError) -> Double? {
    guard let value = table[name] else { return nil }
    guard let number = value.number, range.contains(number) else {
      throw JobMessageError(
        .badHeader,
        "the header \(name) must be a number from \(range.lowerBound.shown) to \(range.upperBound.shown), not \(value)"
      )
    }
    return number
  }

  func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ name: String
  ) throws(JobMessageError) -> Choice? {
    guard let value = table[name] else { return nil }
    guard let choice = value.stringValue.flatMap(Choice.init(rawValue:)) else {
      let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw JobMessageError(
        .badHeader, "the header \(name) must be one of \(known), not \(value)")
    }
    return choice
  }

  /// Several, with commas between.
  func names(_ name: String) throws(JobMessageError) -> [String] {
    guard let value = table[name] else { return [] }
    guard let text = value.stringValue else {
      throw JobMessageError(
        .badHeader, "the header \(name) must be a text of names with commas between, not \(value)")
    }
    return text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
  }

  /// What of a trace is no text is left out, as a malformed header is later on.
  func context() throws(JobMessageError) -> [String: String] {
    var context: [String: String] = [:]
    for (name, value) in table where name.hasPrefix(JobMessage.contextPrefix) {
      guard let text = value.stringValue else {
        throw JobMessageError(.badHeader, "the header \(name) must be a text, not \(value)")
      }
      context[String(name.dropFirst(JobMessage.contextPrefix.count))] = text
    }
    for name in CarriedContext.traceHeaders {
      if let value = table[name] { context[name] = value.stringValue }
    }
    return context
  }

  func seconds(_ name: String) throws(JobMessageError) -> Duration? {
    guard let value = table[name] else { return nil }
    guard let number = value.number,
      let duration = Duration(checkedSeconds: number)
    else {
      throw JobMessageError(
        .badHeader, "the header \(name) must be a number of seconds from 0 up, not \(value)")
    }
    return duration
  }
}

extension FieldValue {
  fileprivate var number: Double? {
    switch self {
    case .double(let value): value
    case .float(let value): Double(value)
    // What Python's pika makes of a number with a fraction: it has no floating point.
    case .decimal(let scale, let value): Double(value) / pow(10, Double(scale))
    case .string(let text): Double(text)
    default: integerValue.map(Double.init)
    }
  }
}

/// Why a message is no job message.
package struct JobMessageError: Error, Hashable, CustomStringConvertible {
  /// What was wrong, for programs: the value of a dead letter's reason header.
  package enum Reason: String, Sendable, Hashable {
    case badProperty = "bad-property"
    case badHeader = "bad-header"
    case badBody = "bad-body"
    /// Who sends it may not say it.
    case forbidden
  }

  package let reason: Reason
  package let description: String

  init(_ reason: Reason, _ description: String) {
    self.reason = reason
    self.description = description.shortened(to: 800)
  }

  package init(_ error: BrokerAccessError) {
    self.init(.forbidden, error.description)
  }
}
