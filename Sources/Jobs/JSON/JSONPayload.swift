public import Foundation

/// Params, a result or a snapshot as JSON text that is carried as it is between the server and the callback.
///
/// The text may come from a program that is not ours. Whoever needs what is in it reads it, and may find that it is no JSON.
public struct JSONPayload: Sendable, Hashable {
  /// The text, in UTF-8.
  public let bytes: Data

  /// Text that nobody has looked at.
  public init(bytes: Data) {
    self.bytes = bytes
  }

  /// The text of a value, with sorted members.
  public init(_ value: JSONValue) {
    bytes = Data(value.utf8)
  }

  /// The JSON text of any encodable value.
  ///
  /// - Throws: ``JSONError`` when the value cannot be written as JSON (a number that is not finite, say), or is nested
  ///   more deeply than ``JSONValue/maxDepth``.
  public init(encoding value: some Encodable) throws(JSONError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      bytes = try encoder.encode(value)
    } catch {
      throw JSONError(decoding: error)
    }
    try JSONText.check(bytes.span, atMost: JSONValue.maxDepth)
  }

  /// What the text says.
  ///
  /// - Throws: ``JSONError`` when it is no JSON text, or nested more deeply than ``JSONValue/maxDepth``.
  public func value() throws(JSONError) -> JSONValue {
    try JSONValue(parsing: bytes)
  }

  /// Reads the text as a Swift type.
  ///
  /// - Throws: ``JSONError`` that names the member which does not fit.
  public func decode<Value: Decodable>(as type: Value.Type) throws(JSONError) -> Value {
    try JSONText.check(bytes.span, atMost: JSONValue.maxDepth)
    do {
      return try JSONDecoder().decode(type, from: bytes)
    } catch {
      throw JSONError(decoding: error)
    }
  }

  /// - Throws: ``JSONError`` when it is nested more deeply than ``JSONValue/maxDepth``, or is not UTF-8.
  package func check() throws(JSONError) {
    try JSONText.check(bytes.span, atMost: JSONValue.maxDepth)
  }

  /// Whether it is a `null` and no more.
  package var isNull: Bool { bytes == Self.null }
  private static let null = Data("null".utf8)
}

extension JSONPayload: Codable {
  /// Where it stands within other JSON, it is written as what it says.
  public func encode(to encoder: any Encoder) throws {
    try value().encode(to: encoder)
  }

  public init(from decoder: any Decoder) throws {
    self.init(try JSONValue(from: decoder))
  }
}

extension JSONPayload: CustomStringConvertible {
  public var description: String { String(decoding: bytes, as: UTF8.self) }
}

extension JSONPayload: ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral,
  ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByBooleanLiteral
{
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self.init(.object(Dictionary(elements, uniquingKeysWith: { _, last in last })))
  }
  public init(arrayLiteral elements: JSONValue...) { self.init(.array(elements)) }
  public init(stringLiteral value: String) { self.init(.string(value)) }
  public init(integerLiteral value: Int64) { self.init(.integer(value)) }
  public init(floatLiteral value: Double) { self.init(.number(value)) }
  public init(booleanLiteral value: Bool) { self.init(.bool(value)) }
}
