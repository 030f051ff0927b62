import AMQP
import Foundation
import Jobs

/// A job message in the words of CloudEvents 1.0: the event's type is the job type, its data are the params, its source and id
/// make it one job.
///
/// In binary mode the attributes are headers, in structured mode all of it is the body. What the specification calls
/// application properties is written for AMQP 1.0; RabbitMQ shows them as headers.
struct CloudEvent {
  let type: JobTypeID
  let params: JSONValue
  /// Repeated, or sent to several queues, an event is the same by these two.
  let idempotencyKey: IdempotencyKey
  /// What else the event says, for the callback, each attribute under `ce-` and its name.
  let context: [String: String]
  /// The trace in which the event began, by the extension for distributed tracing.
  let trace: [String: String]

  /// What stands before an attribute's name in a header: the CloudEvents project's AMQP binding has the first two, Knative's for
  /// RabbitMQ the third.
  private static let prefixes = ["cloudEvents_", "cloudEvents:", "ce-"]
  private static let contextPrefix = "ce-"
  private static let structured = "application/cloudevents"
  private static let json = "application/cloudevents+json"
  private static let specversion = "specversion"
  private static let typeName = "type"
  private static let source = "source"
  private static let id = "id"
  private static let required = [specversion, typeName, source, id]
  private static let contentType = "datacontenttype"
  private static let trace = [CarriedContext.traceparent, CarriedContext.tracestate]

  /// Reads a message.
  ///
  /// - Returns: `nil` for one that does not say that it is an event.
  /// - Throws: ``JobMessageError`` for an event that is none, is no job, or says one thing here and another there.
  static func read(
    _ message: Message, _ headers: JobMessageHeaders
  ) throws(JobMessageError) -> CloudEvent? {
    let inHeaders = try attributes(headers.table)
    let media = mediaType(message.properties.contentType)
    guard media?.hasPrefix(structured) == true else {
      guard let inHeaders else { return nil }
      try checkJSON(inHeaders.values[contentType], media)
      return try CloudEvent(
        inHeaders.values, params: try JobMessage.params(message), of: message, .badHeader)
    }
    guard media == json else {
      throw JobMessageError(
        .badProperty,
        "the property content_type says \(shown(media)); a CloudEvent in structured mode is \(json)"
      )
    }
    let (values, data) = try members(message)
    for name in required {
      guard let inHeader = inHeaders?.values[name], let inBody = values[name] else { continue }
      guard inHeader == inBody else {
        throw JobMessageError(
          .badHeader,
          "the header \(inHeaders?.prefix ?? "")\(name) says \(shown(inHeader)), and the event in the body \(shown(inBody))"
        )
      }
    }
    try checkJSON(values[contentType], nil)
    return try CloudEvent(values, params: data, of: message, .badBody)
  }

  /// - Parameter place: why it is refused where an attribute is wrong.
  private init(
    _ attributes: [String: String], params: JSONValue, of message: Message,
    _ place: JobMessageError.Reason
  ) throws(JobMessageError) {
    func attribute(_ name: String) throws(JobMessageError) -> String {
      guard let value = attributes[name], !value.isEmpty else {
        let missing = Self.required.filter { attributes[$0]?.isEmpty ?? true }
        throw JobMessageError(
          place,
          "a CloudEvent has the attributes \(Self.required.joined(separator: ", ")), none of them empty; this one lacks \(missing.joined(separator: ", "))"
        )
      }
      return value
    }
    let version = try attribute(Self.specversion)
    guard version == "1.0" else {
      throw JobMessageError(
        place, "the CloudEvents attribute specversion must be 1.0, not \(Self.shown(version))")
    }
    let name = try attribute(Self.typeName)
    if let own = JobMessage.declaredType(message), own != name {
      throw JobMessageError(
        .badProperty,
        "the type of the message is \(Self.shown(own)), and the CloudEvents attribute type \(Self.shown(name)): give one of them, or the same in both"
      )
    }
    do {
      type = try JobTypeID(name)
    } catch {
      throw JobMessageError(place, "the CloudEvents attribute type: \(error)")
    }
    let source = try attribute(Self.source)
    // Where the source ends in the key would be open else.
    guard !source.contains(" ") else {
      throw JobMessageError(
        place, "the CloudEvents attribute source must be a URI reference, not \(Self.shown(source))"
      )
    }
    idempotencyKey = .event(source: source, id: try attribute(Self.id))
    self.params = params
    let told = attributes.filter {
      !Self.trace.contains($0.key)
        && ![Self.specversion, Self.typeName, Self.contentType].contains($0.key)
    }
    context = Dictionary(
      uniqueKeysWithValues: told.map { (Self.contextPrefix + $0.key, $0.value) })
    trace = attributes.filter { Self.trace.contains($0.key) }
  }

  // MARK: Where the attributes stand

  private static func attributes(
    _ table: FieldTable
  ) throws(JobMessageError) -> (prefix: String, values: [String: String])? {
    var used: String?
    var values: [String: String] = [:]
    for (header, value) in table {
      guard let prefix = prefixes.first(where: { header.hasPrefix($0) }) else { continue }
      guard used == nil || used == prefix else {
        throw JobMessageError(
          .badHeader,
          "there are CloudEvents attributes as headers that begin with \(used ?? "") and with \(prefix); a message has them all with the same"
        )
      }
      used = prefix
      let name = String(header.dropFirst(prefix.count))
      try check(name, .badHeader)
      guard value != .void else { continue }
      guard let text = text(value) else {
        throw JobMessageError(
          .badHeader,
          "the header \(header.shortened(to: 100)) must be a text, as a CloudEvents attribute, not \(value)"
        )
      }
      values[name] = text
    }
    return used.map { ($0, values) }
  }

  /// The event in a body.
  private static func members(
    _ message: Message
  ) throws(JobMessageError) -> (values: [String: String], data: JSONValue) {
    let event: JSONValue
    do {
      event = try JSONValue(parsing: message.body)
    } catch {
      throw JobMessageError(.badBody, "the body must be a CloudEvent, a JSON object: \(error)")
    }
    guard var members = event.members else {
      throw JobMessageError(
        .badBody, "the body must be a CloudEvent, a JSON object, not \(event.kind.rawValue)")
    }
    guard members["data_base64"] == nil else {
      throw JobMessageError(
        .badBody, "the params of a job are JSON: give them as data, not as data_base64")
    }
    let data = members.removeValue(forKey: "data").flatMap { $0 == .null ? nil : $0 } ?? [:]
    guard data.members != nil else {
      throw JobMessageError(
        .badBody,
        "the data of the CloudEvent must be a JSON object of params, not \(data.kind.rawValue)")
    }
    var values: [String: String] = [:]
    for (name, value) in members {
      try check(name, .badBody)
      switch value {
      case .string(let text): values[name] = text
      case .integer(let number): values[name] = String(number)
      case .bool(let truth): values[name] = String(truth)
      case .null: break
      case .number, .array, .object:
        throw JobMessageError(
          .badBody,
          "the CloudEvents attribute \(name.shortened(to: 100)) must be a text, not \(value.kind.rawValue)"
        )
      }
    }
    return (values, data)
  }

  private static func check(
    _ name: String, _ place: JobMessageError.Reason
  ) throws(JobMessageError) {
    let isName = name.utf8.allSatisfy {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
    }
    guard isName, !name.isEmpty else {
      throw JobMessageError(
        place, "\(shown(name)) is no name of a CloudEvents attribute: it has only a to z and 0 to 9"
      )
    }
  }

  /// The canonical text of a value.
  private static func text(_ value: FieldValue) -> String? {
    switch value {
    case .string(let text): return text
    case .bool(let truth): return String(truth)
    case .bytes(let bytes): return Data(bytes).base64EncodedString()
    case .timestamp(let seconds):
      guard seconds <= JobSubmission.moments.upperBound / 1000 else { return nil }
      return Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
    default: return value.integerValue.map { String($0) }
    }
  }

  // MARK: Media types

  /// Without its parameters, in lower case.
  private static func mediaType(_ text: String?) -> String? {
    text?.prefix { $0 != ";" }.trimmingCharacters(in: .whitespaces).lowercased()
  }

  /// - Parameters:
  ///   - attribute: what the event says that its data are.
  ///   - property: what the message says.
  private static func checkJSON(
    _ attribute: String?, _ property: String?
  ) throws(JobMessageError) {
    let attribute = mediaType(attribute)
    if let attribute, let property, attribute != property {
      throw JobMessageError(
        .badProperty,
        "the property content_type says \(shown(property)), and the CloudEvents attribute datacontenttype \(shown(attribute))"
      )
    }
    guard let media = attribute ?? property else { return }
    guard media == "application/json" || media.hasSuffix("+json") else {
      throw JobMessageError(
        .badProperty,
        "the data of the CloudEvent are \(shown(media)); the params of a job are application/json")
    }
  }

  private static func shown(_ text: String?) -> String {
    "'\((text ?? "").shortened(to: 100))'"
  }
}
