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
  /// - Throws: ``JSONError`` when the value cannot be written as JSON, as for ``JSONValue/init(encoding:)``.
  public init(encoding value: some Encodable) throws(JSONError) {
    do {
      bytes = try JSONEncoder.payload().encode(value)
      try JSONText.checkIntegers(bytes.span)
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
      return try JSONDecoder.payload().decode(type, from: bytes)
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

/// Looks at a JSON text from outside before Foundation's decoder does.
///
/// That decoder ends the process at texts that are nested more deeply than its own limit of 512 levels and end there (513
/// opening brackets and nothing else). It also reads UTF-16 and UTF-32, which JSON between systems is not written in (RFC 8259,
/// section 8.1).
package enum JSONText {
  /// As deep as Foundation reads and writes without harm. What carries params, results and snapshots has a few levels more
  /// than ``JSONValue/maxDepth``.
  package static let mostLevels = 500

  /// - Throws: ``JSONError`` when it is nested too deeply, or is not UTF-8. What else is wrong with it, the decoder says.
  package static func check(
    _ bytes: Span<UInt8>, atMost levels: Int = mostLevels
  ) throws(JSONError) {
    var level = 0
    var isInString = false
    var isEscaped = false
    for index in bytes.indices {
      let byte = bytes[index]
      switch byte {
      case 0, 0xFE, 0xFF:
        // No byte of JSON in UTF-8; what other encodings begin with, or are full of.
        throw JSONError("not valid JSON (a byte that is not UTF-8 text)")
      case _ where isEscaped:
        isEscaped = false
      case UInt8(ascii: "\\") where isInString:
        isEscaped = true
      case UInt8(ascii: "\""):
        isInString.toggle()
      case _ where isInString:
        break
      case UInt8(ascii: "["), UInt8(ascii: "{"):
        level += 1
        guard level <= levels else { throw JSONError(tooDeep(levels)) }
      case UInt8(ascii: "]"), UInt8(ascii: "}"):
        level -= 1
      default:
        break
      }
    }
  }

  /// Looks for integers that no `Int64` can be: most readers of JSON take them for numbers that are near.
  ///
  /// - Throws: ``JSONError`` that names the first one.
  static func checkIntegers(_ bytes: Span<UInt8>) throws(JSONError) {
    var isInString = false
    var isEscaped = false
    var start: Int?
    for index in 0...bytes.count {
      let byte = index < bytes.count ? bytes[index] : 0
      switch byte {
      case _ where isEscaped: isEscaped = false
      case UInt8(ascii: "\\") where isInString: isEscaped = true
      case UInt8(ascii: "\""): isInString.toggle()
      case _ where isInString: break
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "e"), UInt8(ascii: "E"), UInt8(ascii: "+"):
        if start == nil { start = index }
      default:
        defer { start = nil }
        // Shorter ones fit.
        guard let start, index - start >= 19 else { continue }
        let number = String(decoding: (start..<index).map { bytes[$0] }, as: UTF8.self)
        guard number.contains(where: { ".eE".contains($0) }) || Int64(number) != nil else {
          throw JSONError(
            "\(number) cannot be written as JSON: integers beyond 64 bits with a sign are not kept"
              + " exactly; make it a text")
        }
      }
    }
  }

  static func tooDeep(_ levels: Int) -> String {
    "arrays and objects are nested more than \(levels) levels deep"
  }
}
