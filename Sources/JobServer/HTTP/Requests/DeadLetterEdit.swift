import AMQP
import Foundation
import JobTransport
import Jobs

/// The body of `PATCH /dead_letters/{id}`: what is to be different about the message. What is left out stays.
struct DeadLetterEdit: Equatable {
  static let members = ["params", "body", "body_base64", "properties", "headers", "reset"]
  private static let texts = [
    "content_type", "content_encoding", "correlation_id", "reply_to", "message_id", "type",
    "app_id",
  ]

  /// Nothing is to be different any more.
  let isReset: Bool
  private let body: Data?
  private let properties: [String: JSONValue]
  private let headers: [String: JSONValue]

  init(parsing bytes: some Collection<UInt8>) throws(APIProblem) {
    var reader = try MemberReader(
      parsing: bytes, known: Self.members, example: #"{"params": {}}"#)
    let params = reader.object("params")
    let text = reader.string("body")
    let encoded = reader.string("body_base64")
    properties = reader.object("properties")?.members ?? [:]
    headers = reader.object("headers")?.members ?? [:]
    isReset = reader.flag("reset") ?? false
    let bodies = [params != nil, text != nil, encoded != nil].count { $0 }
    if bodies > 1 { reader.note("the members params, body and body_base64 exclude each other") }
    var body = params.map { Data($0.utf8) } ?? text.map { Data($0.utf8) }
    if let encoded {
      body = Data(base64Encoded: encoded)
      if body == nil { reader.note("the member body_base64 must be base64") }
    }
    self.body = body
    let isEmpty = bodies == 0 && properties.isEmpty && headers.isEmpty
    if isReset != isEmpty {
      reader.note(
        isReset
          ? "the member reset stands alone"
          : "nothing is to be different: give params, body, body_base64, properties or headers, or"
            + " reset")
    }
    for (name, value) in properties.sorted(by: { $0.key < $1.key }) {
      Self.check(property: name, value, &reader)
    }
    for name in headers.keys.sorted() {
      if LetterCoding.isReserved(name) {
        reader.note("the header \(name.prefix(100)) is Warren's or the broker's to set")
      }
      if name.utf8.count > 255 { reader.note("a header's name has at most 255 bytes") }
    }
    try reader.finish()
  }

  private static func check(
    property name: String, _ value: JSONValue, _ reader: inout MemberReader
  ) {
    switch value {
    case .null where texts.contains(name) || name == "priority": break
    case .string(let text) where texts.contains(name):
      if text.utf8.count > 255 { reader.note("the property \(name) has at most 255 bytes") }
    case .integer(let number) where name == "priority" && (0...255).contains(number): break
    case _ where name == "priority":
      reader.note("the property priority must be an integer from 0 to 255, or null")
    case _ where texts.contains(name):
      reader.note("the property \(name) must be a string, or null")
    default:
      reader.note(
        "there is no property '\(name.prefix(100))' to set; known are "
          + (texts + ["priority"]).joined(separator: ", "))
    }
  }

  /// What is to be different, without what it is to be.
  var summary: String {
    if isReset { return "reset" }
    let parts =
      (body == nil ? [] : ["body"]) + properties.keys.sorted()
      + headers.keys.sorted().map { "header \($0)" }
    return parts.joined(separator: ", ")
  }

  /// - Parameters:
  ///   - tenant: whose letter it is; nobody speaks for another by an edit.
  ///   - user: as whom the caller has to speak; `nil` where it may be anybody.
  func applied(
    to content: DeadLetterContent, tenant: UUID, user: UUID? = nil
  ) throws(APIProblem) -> DeadLetterContent {
    var message = LetterCoding.message(content)
    if let body { message.body = Array(body) }
    for (name, value) in properties { set(name, value, &message.properties) }
    for (name, value) in headers {
      message.properties.headers[name] = value == .null ? nil : LetterCoding.header(value)
    }
    try pin(LetterCoding.tenantHeader, to: tenant, "the letter's own tenant")
    if let user { try pin(LetterCoding.userHeader, to: user, "your own user") }
    // With a reason and what else is added, it has to fit into one frame.
    guard message.properties.headers.encodedSize <= 64 << 10 else {
      throw APIProblem(.invalidBody, "the headers may have at most 64 KiB together")
    }
    let isLost = headers.isEmpty && LetterCoding.isLost(content)
    return LetterCoding.content(of: message, isLost: isLost)
  }

  /// Throws where a header names another than the one that it may name.
  private func pin(_ header: String, to id: UUID, _ whose: String) throws(APIProblem) {
    guard let value = headers[header], value != .null else { return }
    guard case .string(let text) = value, UUID(uuidString: text) == id else {
      throw APIProblem(
        .invalidBody,
        "the header \(header) must be \(whose) \(id.uuidString.lowercased()), or null")
    }
  }

  private func set(_ name: String, _ value: JSONValue, _ properties: inout MessageProperties) {
    var text: String?
    if case .string(let value) = value { text = value }
    switch name {
    case "content_type": properties.contentType = text
    case "content_encoding": properties.contentEncoding = text
    case "correlation_id": properties.correlationID = text
    case "reply_to": properties.replyTo = text
    case "message_id": properties.messageID = text
    case "app_id": properties.appID = text
    case "type": properties.type = text
    case "priority":
      if case .integer(let number) = value {
        properties.priority = UInt8(exactly: number)
      } else {
        properties.priority = nil
      }
    default: break
    }
  }
}
