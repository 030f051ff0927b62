package import AMQP
package import Foundation
package import Jobs

/// A message as it is kept in a store: properties and headers as JSON that loses nothing. What JSON has is written as it is, any
/// other kind of value as an object of two members: `{"$type": "int32", "value": 7}`.
package enum LetterCoding {
  private static let kind = "$type"
  private static let value = "value"
  private static let headers = "headers"
  private static let lost = "lost_headers"

  /// - Parameter isLost: whether the headers that it had are not known.
  package static func content(of message: Message, isLost: Bool = false) -> DeadLetterContent {
    var members = texts(message.properties).mapValues(JSONValue.string)
    for (name, number) in numbers(message.properties) { members[name] = number }
    if !message.properties.headers.isEmpty {
      members[headers] = .object(table(message.properties.headers))
    }
    if isLost || message.properties.headersRefused != nil { members[lost] = true }
    return DeadLetterContent(properties: .object(members), body: Data(message.body))
  }

  /// Whether the headers that it had are not known.
  package static func isLost(_ content: DeadLetterContent) -> Bool {
    content.properties.members?[lost] == true
  }

  /// The message again, persistent.
  package static func message(_ content: DeadLetterContent) -> Message {
    let members = content.properties.members ?? [:]
    func text(_ name: String) -> String? {
      if case .string(let text) = members[name] { text } else { nil }
    }
    func number<Number: FixedWidthInteger>(_ name: String, as type: Number.Type) -> Number? {
      if case .integer(let number) = members[name] { Number(exactly: number) } else { nil }
    }
    var properties = MessageProperties(
      contentType: text("content_type"), contentEncoding: text("content_encoding"),
      deliveryMode: .persistent, priority: number("priority", as: UInt8.self),
      correlationID: text("correlation_id"), replyTo: text("reply_to"),
      messageID: text("message_id"), timestamp: number("timestamp", as: UInt64.self),
      type: text("type"), appID: text("app_id"))
    properties.headers = fieldTable(members[headers]?.members ?? [:])
    return Message(body: Array(content.body), properties: properties)
  }

  /// As people and programs look at it.
  package static func shown(_ content: DeadLetterContent) -> DeadLetterMessage {
    let message = message(content)
    var properties = texts(message.properties).mapValues(JSONValue.string)
    for (name, number) in numbers(message.properties) { properties[name] = number }
    var headers: [String: JSONValue] = [:]
    for (name, value) in message.properties.headers where headers[name] == nil {
      headers[name] = plain(value)
    }
    let body = try? JSONValue(parsing: content.body)
    return DeadLetterMessage(
      properties: properties, headers: headers, body: body,
      bodyBase64: body == nil ? content.body.base64EncodedString() : nil)
  }

  // MARK: Properties

  private static func texts(_ properties: MessageProperties) -> [String: String] {
    let all: [(String, String?)] = [
      ("content_type", properties.contentType), ("content_encoding", properties.contentEncoding),
      ("correlation_id", properties.correlationID), ("reply_to", properties.replyTo),
      ("message_id", properties.messageID), ("type", properties.type), ("app_id", properties.appID),
    ]
    return all.reduce(into: [:]) { $0[$1.0] = $1.1 }
  }

  private static func numbers(_ properties: MessageProperties) -> [String: JSONValue] {
    var numbers: [String: JSONValue] = [:]
    if let priority = properties.priority { numbers["priority"] = .integer(Int64(priority)) }
    // One that is later than all that there is tells nothing.
    if let time = properties.timestamp.flatMap(Int64.init(exactly:)) {
      numbers["timestamp"] = .integer(time)
    }
    return numbers
  }

  // MARK: Headers

  private static func table(_ table: FieldTable) -> [String: JSONValue] {
    // Of a name that is repeated the first counts, as it does for whoever reads the message.
    Dictionary(table.map { ($0.name, json($0.value)) }) { first, _ in first }
  }

  private static func json(_ field: FieldValue) -> JSONValue {
    func tagged(_ type: String, _ content: JSONValue) -> JSONValue {
      [kind: .string(type), value: content]
    }
    switch field {
    case .void: return .null
    case .bool(let flag): return .bool(flag)
    case .int64(let number): return .integer(number)
    case .string(let text): return .string(text)
    case .array(let values): return .array(values.map(json))
    case .table(let fields):
      let members = table(fields)
      return members[kind] == nil ? .object(members) : tagged("table", .object(members))
    case .double(let number) where number.isFinite && number != number.rounded():
      return .number(number)
    // By its bits: a whole number would come back as an integer, and what is none not at all.
    case .double(let number): return tagged("double", .string(String(number.bitPattern)))
    case .float(let number): return tagged("float", .integer(Int64(number.bitPattern)))
    case .int8(let number): return tagged("int8", .integer(Int64(number)))
    case .uint8(let number): return tagged("uint8", .integer(Int64(number)))
    case .int16(let number): return tagged("int16", .integer(Int64(number)))
    case .uint16(let number): return tagged("uint16", .integer(Int64(number)))
    case .int32(let number): return tagged("int32", .integer(Int64(number)))
    case .uint32(let number): return tagged("uint32", .integer(Int64(number)))
    case .uint64(let number): return tagged("uint64", .string(String(number)))
    case .timestamp(let number): return tagged("timestamp", .string(String(number)))
    case .decimal(let scale, let number):
      return tagged("decimal", [.integer(Int64(scale)), .integer(Int64(number))])
    case .bytes(let bytes): return tagged("bytes", .string(Data(bytes).base64EncodedString()))
    }
  }

  private static func fieldTable(_ members: [String: JSONValue]) -> FieldTable {
    var fields = FieldTable()
    for (name, value) in members.sorted(by: { $0.key < $1.key }) { fields[name] = field(value) }
    return fields
  }

  /// The header that a JSON value stands for; what is tagged wrongly was written by nobody, and stays a table.
  static func field(_ json: JSONValue) -> FieldValue {
    switch json {
    case .null: return .void
    case .bool(let flag): return .bool(flag)
    case .integer(let number): return .int64(number)
    case .number(let number): return .double(number)
    case .string(let text): return .string(text)
    case .array(let values): return .array(values.map(field))
    case .object(let members):
      if members.count == 2, case .string(let type) = members[kind], let content = members[value],
        let field = untagged(type, content)
      {
        return field
      }
      return .table(fieldTable(members))
    }
  }

  private static func untagged(_ type: String, _ content: JSONValue) -> FieldValue? {
    switch (type, content) {
    case ("table", .object(let members)): .table(fieldTable(members))
    case ("double", .string(let bits)):
      UInt64(bits).map { .double(Double(bitPattern: $0)) }
    case ("float", .integer(let bits)):
      UInt32(exactly: bits).map { .float(Float(bitPattern: $0)) }
    case ("int8", .integer(let number)): Int8(exactly: number).map { .int8($0) }
    case ("uint8", .integer(let number)): UInt8(exactly: number).map { .uint8($0) }
    case ("int16", .integer(let number)): Int16(exactly: number).map { .int16($0) }
    case ("uint16", .integer(let number)): UInt16(exactly: number).map { .uint16($0) }
    case ("int32", .integer(let number)): Int32(exactly: number).map { .int32($0) }
    case ("uint32", .integer(let number)): UInt32(exactly: number).map { .uint32($0) }
    case ("uint64", .string(let text)): UInt64(text).map { .uint64($0) }
    case ("timestamp", .string(let text)): UInt64(text).map { .timestamp($0) }
    case ("decimal", .array(let parts)): decimal(parts)
    case ("bytes", .string(let text)):
      Data(base64Encoded: text).map { .bytes(Array($0)) }
    default: nil
    }
  }

  private static func decimal(_ parts: [JSONValue]) -> FieldValue? {
    guard parts.count == 2, case .integer(let scale) = parts[0],
      case .integer(let number) = parts[1], let scale = UInt8(exactly: scale),
      let number = UInt32(exactly: number)
    else { return nil }
    return .decimal(scale: scale, value: number)
  }

  private static func plain(_ field: FieldValue) -> JSONValue {
    switch field {
    case .void: .null
    case .bool(let flag): .bool(flag)
    case .string(let text): .string(text)
    case .array(let values): .array(values.map(plain))
    case .table(let fields):
      .object(Dictionary(fields.map { ($0.name, plain($0.value)) }) { first, _ in first })
    case .double(let number): number.isFinite ? .number(number) : .string("\(number)")
    case .float(let number): number.isFinite ? .number(Double(number)) : .string("\(number)")
    case .decimal(let scale, let number): .number(Double(number) / pow(10, Double(scale)))
    case .bytes(let bytes): .string(Data(bytes).base64EncodedString())
    default: field.integerValue.map { .integer($0) } ?? .string("\(field)")
    }
  }
}

// MARK: - Editing

extension LetterCoding {
  /// A header as somebody writes it in JSON.
  package static func header(_ value: JSONValue) -> FieldValue { field(value) }

  /// Headers that nobody sets by hand: what they say is Warren's to say.
  package static func isReserved(_ header: String) -> Bool {
    header.hasPrefix("x-warren-") || header.hasPrefix("x-death")
      || header.hasPrefix("x-first-death-")
      || header.hasPrefix("x-last-death-")
  }

  /// The header that names whose job it is.
  package static let tenantHeader = JobMessage.tenantID
  /// The header that names for whom it is made.
  package static let userHeader = JobMessage.userID
  /// The header that may stand for the property `type`.
  package static let typeHeader = JobMessage.typeHeader
  package static let keyHeader = JobMessage.idempotencyKey
}

// MARK: - Reading a letter

extension DeadLetter {
  /// What a message was meant to be.
  package static func kind(of message: Message, isReport: Bool) -> DeadLetterKind {
    let type = JobMessage.declaredType(message)
    if type == MessageKind.cancel { return .cancel }
    // Elsewhere than among the reports, it is what somebody says who may not report.
    if isReport { return .report }
    return type?.hasPrefix("warren.") == true ? .own : .job
  }

  /// The job type that a message names, as it is written.
  package static func type(of message: Message) -> String? {
    JobMessage.declaredType(message)?.shortened(to: 255)
  }

  /// Whom a message is for; zeros where it says nothing that can be read.
  package static func tenant(of message: Message) -> UUID {
    message.properties.headers[JobMessage.tenantID]?.stringValue.flatMap {
      UUID(uuidString: $0)
    } ?? .zero
  }

  /// Where the broker threw it out, the last time first; `nil` where the broker did not.
  package static func deaths(of message: Message) -> [DeadLetterDeath]? {
    guard let header = message.properties.headers["x-death"] else { return nil }
    guard case .array(let entries) = header else { return [] }
    return entries.prefix(20).compactMap { entry in
      guard case .table(let fields) = entry else { return nil }
      return DeadLetterDeath(
        queue: (fields["queue"]?.stringValue ?? "").shortened(to: 255),
        reason: (fields["reason"]?.stringValue ?? "unknown").shortened(to: 100),
        count: fields["count"]?.integerValue ?? 1)
    }
  }

  /// Where the broker says that it was published, before it threw it out.
  package static func publishedTo(_ message: Message) -> (exchange: String, routingKey: String)? {
    guard case .array(let entries) = message.properties.headers["x-death"],
      case .table(let fields)? = entries.first, let exchange = fields["exchange"]?.stringValue
    else { return nil }
    var key = ""
    if case .array(let keys) = fields["routing-keys"] { key = keys.first?.stringValue ?? "" }
    return (exchange, key)
  }

  /// Which letter it was, and how often it was published since, as it says itself.
  package static func provenance(of message: Message) -> DeadLetterProvenance? {
    guard let text = message.properties.headers[provenance]?.stringValue,
      let letter = UUID(uuidString: text),
      let count = message.properties.headers[redriven]?.integerValue,
      let count = Int(exactly: count), count > 0
    else { return nil }
    return DeadLetterProvenance(letter: letter, count: count)
  }

  /// What is published of a letter.
  package static func redrive(
    _ restored: Message, _ provenance: DeadLetterProvenance, by user: String?
  ) -> Message {
    var message = restored
    message.properties.headers[Self.provenance] = .string(
      provenance.letter.uuidString.lowercased())
    message.properties.headers[redriven] = .int64(Int64(provenance.count))
    message.properties.userID = user
    return message
  }
}
