package import AMQP
import Foundation
package import Jobs

/// The cancel message: a cancellation that is durable in the broker, whether the server is there or not. It takes the way of
/// the job messages, so that it comes after the one that it is about.
package enum CancelMessage {
  static let tenantID = JobMessage.tenantID
  static let job = "job"
  static let key = "idempotency_key"
  static let reason = "reason"

  /// Whether a message says that it is one.
  package static func isOne(_ message: Message) -> Bool {
    JobMessage.declaredType(message) == MessageKind.cancel
  }

  /// Reads one.
  ///
  /// - Throws: ``JobMessageError`` that names what is wrong.
  package static func cancellation(_ message: Message) throws(JobMessageError) -> JobCancellation {
    let body: JSONValue
    do {
      body = try JSONValue(parsing: message.body)
    } catch {
      throw wrong("\(error)")
    }
    guard let members = body.members else { throw wrong("it is \(body.kind.rawValue)") }
    if let unknown = members.keys.filter({ ![job, key, reason].contains($0) }).min() {
      throw wrong("'\(unknown.prefix(100))' is none of its members")
    }
    guard case .string(let id) = members[job], let id = JobID(id) else {
      throw wrong("'\(job)' must be a UUID")
    }
    var cancellation = JobCancellation(job: id)
    switch members[key] {
    case .string(let text):
      do {
        cancellation.idempotencyKey = try IdempotencyKey(text)
      } catch {
        throw wrong("\(error)")
      }
    case nil, .null: break
    default: throw wrong("'\(key)' must be text")
    }
    switch members[reason] {
    case .string(let text) where text.count <= JobCancellation.longestReason:
      cancellation.reason = text
    case nil, .null: break
    default: throw wrong(longReason)
    }
    let headers = try JobMessageHeaders(message)
    cancellation.tenantID = try headers.uuid(tenantID) ?? .zero
    return cancellation
  }

  private static let longReason =
    "'\(reason)' must be text of at most \(JobCancellation.longestReason) characters"

  /// Why a server would not take one.
  package static func refusal(of cancellation: JobCancellation) -> JobMessageError? {
    let isShort = cancellation.reason.map { $0.count <= JobCancellation.longestReason } ?? true
    return isShort ? nil : wrong(longReason)
  }

  /// Writes one, persistent.
  package static func message(_ cancellation: JobCancellation) -> Message {
    var members: [String: JSONValue] = [job: .string(cancellation.job.description)]
    if let text = cancellation.reason { members[reason] = .string(text) }
    if let made = cancellation.idempotencyKey { members[key] = .string(made.description) }
    var properties = MessageProperties()
    properties.type = MessageKind.cancel
    properties.contentType = "application/json"
    properties.deliveryMode = .persistent
    if cancellation.tenantID != .zero {
      properties.headers = [
        tenantID: .string(cancellation.tenantID.uuidString.lowercased())
      ]
    }
    return Message(body: Array(JSONValue.object(members).text.utf8), properties: properties)
  }

  private static func wrong(_ what: String) -> JobMessageError {
    JobMessageError(
      .badBody,
      #"the body of a cancel message must be a JSON object like {"job": "<UUID>", "reason": "<text>"}: \#(what)"#
    )
  }
}
