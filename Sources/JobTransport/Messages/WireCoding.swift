public import AMQP
import Foundation
public import Jobs

/// Puts Warren's own messages into AMQP messages and takes them out again. Bodies are JSON, so that an operator can read
/// them in the management UI.
public enum WireCoding {
  /// The header with the ``WireVersion`` of who wrote a message; those from before there was one have none.
  static let version = "x-warren-version"

  /// The version that a message says it was written in.
  static func version(of message: Message) -> Int {
    message.properties.headers[version]?.integerValue.map(Int.init(clamping:)) ?? 0
  }

  /// A ticket: one job of the queue that it is in may run. It names none.
  public static func ticket() -> Message {
    var properties = MessageProperties()
    properties.type = MessageKind.ticket
    properties.deliveryMode = .persistent
    properties.headers[version] = .int64(Int64(WireVersion.current))
    return Message(properties: properties)
  }

  /// Whether a message says that it is a ticket.
  public static func isTicket(_ message: Message) -> Bool {
    message.properties.type == MessageKind.ticket
  }

  public static func message(_ claims: [ClaimRequest]) throws(WireError) -> Message {
    try encode(claims, kind: MessageKind.claims, persistent: false)
  }

  public static func claims(_ message: Message) throws(WireError) -> [ClaimRequest] {
    try decode([ClaimRequest].self, from: message)
  }

  /// About how many bytes of params and snapshots one answer to a claim may have: RabbitMQ takes messages of 16 MiB from
  /// 4.0 on.
  public static let mostOfAnswer = 8 << 20

  public static func message(_ answers: [ClaimAnswer]) throws(WireError) -> Message {
    try encode(answers, kind: MessageKind.claims, persistent: false)
  }

  public static func answers(_ message: Message) throws(WireError) -> [ClaimAnswer] {
    try decode([ClaimAnswer].self, from: message)
  }

  public static func message(_ locks: [LockRequest]) throws(WireError) -> Message {
    try encode(locks, kind: MessageKind.locks, persistent: false)
  }

  /// - Returns: `nil` when the message asks for something else, by its type.
  public static func locks(_ message: Message) throws(WireError) -> [LockRequest]? {
    guard message.properties.type == MessageKind.locks else { return nil }
    return try decode([LockRequest].self, from: message)
  }

  public static func message(_ answers: [LockAnswer]) throws(WireError) -> Message {
    try encode(answers, kind: MessageKind.locks, persistent: false)
  }

  public static func lockAnswers(_ message: Message) throws(WireError) -> [LockAnswer] {
    try decode([LockAnswer].self, from: message)
  }

  public static func message(_ content: WorkerMessage) throws(WireError) -> Message {
    try encode(content, kind: MessageKind.worker, persistent: true)
  }

  public static func workerMessage(_ message: Message) throws(WireError) -> WorkerMessage {
    try decode(WorkerMessage.self, from: message)
  }

  /// Reads a worker's message as far as it can be understood: see ``ReceivedWorkerMessage``.
  ///
  /// - Throws: ``WireError`` when it is none, and no newer worker's either.
  public static func received(_ message: Message) throws(WireError) -> ReceivedWorkerMessage {
    do {
      return ReceivedWorkerMessage(understood: try workerMessage(message))
    } catch {
      return try ReceivedWorkerMessage(
        piecewise: message, isNewer: version(of: message) > WireVersion.current, error)
    }
  }

  public static func message(_ command: ControlCommand) throws(WireError) -> Message {
    try encode(command, kind: MessageKind.command, persistent: false)
  }

  public static func command(_ message: Message) throws(WireError) -> ControlCommand {
    try decode(ControlCommand.self, from: message)
  }

  public static func message(_ reply: ControlReply) throws(WireError) -> Message {
    try encode(reply, kind: MessageKind.command, persistent: false)
  }

  public static func reply(_ message: Message) throws(WireError) -> ControlReply {
    try decode(ControlReply.self, from: message)
  }

  /// The final job, for the producer that asked to be told.
  public static func message(_ job: Job, for reply: JobReply) throws(WireError) -> Message {
    var message = try encode(job, kind: MessageKind.job, persistent: true)
    message.properties.correlationID = reply.correlationID
    message.properties.messageID = job.id.description
    return message
  }

  /// What a worker holds for as long as its connection lasts. Its body says nothing. It outlasts a restart of the broker, which
  /// is an end of that connection too: whoever is back first gets it, the worker or the server.
  public static func lease() -> Message {
    var properties = MessageProperties()
    properties.type = MessageKind.lease
    properties.deliveryMode = .persistent
    return Message(properties: properties)
  }

  public static func message(_ event: JobEvent) throws(WireError) -> Message {
    try encode(event, kind: MessageKind.event, persistent: false)
  }

  private static func encode(
    _ value: some Encodable, kind: String, persistent: Bool
  ) throws(WireError) -> Message {
    var properties = MessageProperties()
    properties.type = kind
    properties.contentType = "application/json"
    properties.deliveryMode = persistent ? .persistent : .transient
    properties.headers[version] = .int64(Int64(WireVersion.current))
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    do {
      return Message(body: Array(try encoder.encode(value)), properties: properties)
    } catch {
      throw WireError("a \(kind) could not be written as JSON: \(error)")
    }
  }

  private static func decode<Value: Decodable>(
    _ type: Value.Type, from message: Message
  ) throws(WireError) -> Value {
    do {
      try JSONText.check(message.body)
      return try JSONDecoder().decode(type, from: Data(message.body))
    } catch {
      throw WireError(
        "the body is no \(message.properties.type ?? "message without a type"): \(error)")
    }
  }
}
