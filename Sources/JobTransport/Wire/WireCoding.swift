package import AMQP
import Foundation
package import Jobs
import SwiftProtobuf

// SwiftProtobuf has one too.
package import struct AMQP.Message

/// Puts Warren's own messages into AMQP messages and takes them out again.
///
/// What is sent for every job (claims, their answers, reports) is Protocol Buffers, which allocates a fraction of what JSON
/// does. The rest is JSON, so that it can be read in the management UI.
package enum WireCoding {
  /// The header with the ``WireVersion`` of who wrote a message; those from before there was one have none.
  static let version = "x-warren-version"

  /// The version that a message says it was written in.
  static func version(of message: Message) -> Int {
    message.properties.headers[version]?.integerValue.map(Int.init(clamping:)) ?? 0
  }

  /// A ticket: one job of the queue that it is in may run. It names none.
  package static func ticket() -> Message {
    var properties = MessageProperties()
    properties.type = MessageKind.ticket
    properties.deliveryMode = .persistent
    properties.headers[version] = .int64(Int64(WireVersion.current))
    return Message(properties: properties)
  }

  /// Whether a message says that it is a ticket.
  package static func isTicket(_ message: Message) -> Bool {
    message.properties.type == MessageKind.ticket
  }

  package static func message(_ claims: [ClaimRequest]) throws(WireError) -> Message {
    try pack(kind: MessageKind.claims, persistent: false) {
      WireClaims.with { $0.claims = claims.map { $0.form() } }
    }
  }

  package static func claims(_ message: Message) throws(WireError) -> [ClaimRequest] {
    try WireScan.check(WireScan.claims, in: message)
    return try unpack(message) { (form: WireClaims) in try form.claims.map { try ClaimRequest($0) }
    }
  }

  /// About how many bytes of params and snapshots one answer to a claim may have: RabbitMQ takes messages of 16 MiB from
  /// 4.0 on.
  package static let mostOfAnswer = 8 << 20

  package static func message(_ answers: [ClaimAnswer]) throws(WireError) -> Message {
    try pack(kind: MessageKind.claims, persistent: false) {
      WireAnswers.with { $0.answers = answers.map { $0.form() } }
    }
  }

  package static func answers(_ message: Message) throws(WireError) -> [ClaimAnswer] {
    try unpack(message) { (form: WireAnswers) in try form.answers.map { try ClaimAnswer($0) } }
  }

  package static func message(_ locks: [LockRequest]) throws(WireError) -> Message {
    try encode(locks, kind: MessageKind.locks, persistent: false)
  }

  /// - Returns: `nil` when the message asks for something else, by its type.
  package static func locks(_ message: Message) throws(WireError) -> [LockRequest]? {
    guard message.properties.type == MessageKind.locks else { return nil }
    return try decode([LockRequest].self, from: message)
  }

  package static func message(_ answers: [LockAnswer]) throws(WireError) -> Message {
    try encode(answers, kind: MessageKind.locks, persistent: false)
  }

  package static func lockAnswers(_ message: Message) throws(WireError) -> [LockAnswer] {
    try decode([LockAnswer].self, from: message)
  }

  package static func message(_ content: WorkerMessage) throws(WireError) -> Message {
    try pack(kind: MessageKind.worker, persistent: true) { try content.form() }
  }

  /// Reads a worker's message as far as it can be understood: see ``ReceivedWorkerMessage``.
  ///
  /// - Throws: ``WireError`` when it is none, and no newer worker's either.
  package static func received(_ message: Message) throws(WireError) -> ReceivedWorkerMessage {
    try WireScan.check(WireScan.fromWorker, in: message)
    return try unpack(message) { (form: WireFromWorker) in
      do {
        return ReceivedWorkerMessage(understood: try WorkerMessage(form))
      } catch {
        return try ReceivedWorkerMessage(
          piecewise: message, form, isNewer: version(of: message) > WireVersion.current, error)
      }
    }
  }

  package static func message(_ command: ControlCommand) throws(WireError) -> Message {
    try encode(command, kind: MessageKind.command, persistent: false)
  }

  package static func command(_ message: Message) throws(WireError) -> ControlCommand {
    try decode(ControlCommand.self, from: message)
  }

  package static func message(_ reply: ControlReply) throws(WireError) -> Message {
    try encode(reply, kind: MessageKind.command, persistent: false)
  }

  package static func reply(_ message: Message) throws(WireError) -> ControlReply {
    try decode(ControlReply.self, from: message)
  }

  /// The final job, for the producer that asked to be told.
  package static func message(_ job: Job, for reply: JobReply) throws(WireError) -> Message {
    var message = try encode(job, kind: MessageKind.job, persistent: true)
    message.properties.correlationID = reply.correlationID
    message.properties.messageID = job.id.description
    return message
  }

  /// What a worker holds for as long as its connection lasts. Its body says nothing. It outlasts a restart of the broker, which
  /// is an end of that connection too: whoever is back first gets it, the worker or the server.
  package static func lease() -> Message {
    var properties = MessageProperties()
    properties.type = MessageKind.lease
    properties.deliveryMode = .persistent
    return Message(properties: properties)
  }

  package static func message(_ event: JobEvent) throws(WireError) -> Message {
    try encode(event, kind: MessageKind.event, persistent: false)
  }

  // MARK: JSON

  private static func encode(
    _ value: some Encodable, kind: String, persistent: Bool
  ) throws(WireError) -> Message {
    do {
      return Message(
        body: Array(try json(value)),
        properties: properties(kind, "application/json", persistent: persistent))
    } catch {
      throw WireError("a \(kind) could not be written as JSON: \(error)")
    }
  }

  private static func decode<Value: Decodable>(
    _ type: Value.Type, from message: Message
  ) throws(WireError) -> Value {
    do {
      return try json(type, Data(message.body))
    } catch {
      throw WireError("\(notWhatItsTypeSays(message)): \(error)")
    }
  }

  static func json(_ value: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    return try encoder.encode(value)
  }

  static func json<Value: Decodable>(_ type: Value.Type, _ text: Data) throws -> Value {
    try JSONText.check(text.span)
    return try JSONDecoder().decode(type, from: text)
  }

  // MARK: Protocol Buffers

  private static func pack(
    kind: String, persistent: Bool, _ form: () throws -> some SwiftProtobuf.Message
  ) throws(WireError) -> Message {
    do {
      return Message(
        body: try form().serializedBytes() as [UInt8],
        properties: properties(kind, "application/x-protobuf", persistent: persistent))
    } catch {
      throw WireError("a \(kind) could not be written: \(error)")
    }
  }

  private static func unpack<Form: SwiftProtobuf.Message, Content>(
    _ message: Message, _ read: (Form) throws -> Content
  ) throws(WireError) -> Content {
    do {
      return try read(try Form(serializedBytes: message.body))
    } catch {
      throw WireError("\(notWhatItsTypeSays(message)): \(error)")
    }
  }

  private static func notWhatItsTypeSays(_ message: Message) -> String {
    "the body is no \(message.properties.type ?? "message without a type")"
  }

  private static func properties(
    _ kind: String, _ contentType: String, persistent: Bool
  ) -> MessageProperties {
    var properties = MessageProperties()
    properties.type = kind
    properties.contentType = contentType
    properties.deliveryMode = persistent ? .persistent : .transient
    properties.headers[version] = .int64(Int64(WireVersion.current))
    return properties
  }
}

/// The `type` property of Warren's own messages. A job type always has a colon, so that the two cannot be confused.
enum MessageKind {
  static let ticket = "warren.ticket"
  static let claims = "warren.claims"
  static let locks = "warren.locks"
  static let worker = "warren.worker"
  static let command = "warren.command"
  static let cancel = "warren.cancel"
  static let job = "warren.job"
  static let lease = "warren.lease"
  static let event = "warren.event"
  static let request = "warren.request"
  static let answer = "warren.answer"
}

/// A message that is not what its place says it is.
package struct WireError: Error, CustomStringConvertible {
  package let description: String

  init(_ description: String) {
    self.description = description.shortened(to: 800)
  }
}
