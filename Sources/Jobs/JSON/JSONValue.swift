import Foundation

/// Any JSON value (RFC 8259), for params and results whose Swift type this process does not know.
///
/// Integers and other numbers are kept apart, so that a 64-bit integer survives unchanged.
public enum JSONValue: Sendable, Hashable {
  case null
  case bool(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  /// How deeply arrays and objects may be nested. Foundation reads 512 levels and writes 511; a value has to fit into
  /// the messages and answers that carry it.
  public static let maxDepth = 100

  /// Parses a JSON text.
  ///
  /// - Parameters:
  ///   - bytes: the text, in UTF-8.
  ///   - maxDepth: how deeply it may be nested; more than ``maxDepth`` for what is around a value.
  /// - Throws: ``JSONError`` when the bytes are no JSON text in UTF-8, or nested more deeply than that.
  public init(
    parsing bytes: some Collection<UInt8>, maxDepth: Int = Self.maxDepth
  ) throws(JSONError) {
    let bytes = Data(bytes)
    try JSONText.check(bytes.span, atMost: maxDepth)
    do {
      self = try JSONDecoder().decode(JSONValue.self, from: bytes)
    } catch {
      throw JSONError(decoding: error)
    }
  }

  /// The JSON form of any encodable value.
  ///
  /// - Throws: ``JSONError`` when the value cannot be written as JSON (a number that is not finite, say, or an integer that
  ///   no `Int64` can be), or is nested more deeply than ``maxDepth``.
  public init(encoding value: some Encodable) throws(JSONError) {
    do {
      let text = try JSONEncoder.payload().encode(value)
      try JSONText.checkIntegers(text.span)
      self = try JSONDecoder().decode(JSONValue.self, from: text)
    } catch {
      throw JSONError(decoding: error)
    }
    try checkDepth()
  }

  /// Whether arrays and objects are nested no more deeply than so many levels.
  public func isNested(atMost levels: Int) -> Bool {
    switch self {
    case .array(let elements):
      levels > 0 && elements.allSatisfy { $0.isNested(atMost: levels - 1) }
    case .object(let members):
      levels > 0 && members.values.allSatisfy { $0.isNested(atMost: levels - 1) }
    case .null, .bool, .integer, .number, .string: true
    }
  }

  private func checkDepth() throws(JSONError) {
    guard isNested(atMost: Self.maxDepth) else {
      throw JSONError(JSONText.tooDeep(Self.maxDepth))
    }
  }

  /// Reads this value as a Swift type.
  ///
  /// - Throws: ``JSONError`` that names the member which does not fit.
  public func decode<Value: Decodable>(as type: Value.Type) throws(JSONError) -> Value {
    do {
      return try JSONDecoder.payload().decode(type, from: Data(utf8))
    } catch {
      throw JSONError(decoding: error)
    }
  }

  /// The value as JSON text with sorted members: equal values give equal texts.
  public var text: String { String(decoding: utf8, as: UTF8.self) }

  package var utf8: [UInt8] {
    var writer = JSONWriter()
    writer.value(self)
    return writer.bytes
  }

  /// What kind of JSON value this is, as JSON Schema names it.
  public var kind: JSONKind {
    switch self {
    case .null: .null
    case .bool: .boolean
    case .integer: .integer
    case .number: .number
    case .string: .string
    case .array: .array
    case .object: .object
    }
  }

  /// The members, when this is an object.
  public var members: [String: JSONValue]? {
    if case .object(let members) = self { members } else { nil }
  }
}

extension JSONValue: Codable {
  // An attempt that fails makes an error, which is dear, and the dearer the deeper it is. In this order no text makes more than
  // three in two bytes.
  public init(from decoder: any Decoder) throws {
    let single = try decoder.singleValueContainer()
    if single.decodeNil() {
      self = .null
    } else if let text = try? single.decode(String.self) {
      self = .string(text)
    } else if var unkeyed = try? decoder.unkeyedContainer() {
      var elements: [JSONValue] = []
      while !unkeyed.isAtEnd { elements.append(try unkeyed.decode(JSONValue.self)) }
      self = .array(elements)
    } else if let keyed = try? decoder.container(keyedBy: JSONMemberKey.self) {
      var members: [String: JSONValue] = [:]
      for key in keyed.allKeys {
        members[key.stringValue] = try keyed.decode(JSONValue.self, forKey: key)
      }
      self = .object(members)
    } else if let integer = try? single.decode(Int64.self) {
      self = .integer(integer)
    } else if let flag = try? single.decode(Bool.self) {
      self = .bool(flag)
    } else {
      do {
        self = .number(try single.decode(Double.self))
      } catch {
        throw Self.unreadable(decoder, error)
      }
    }
  }

  /// Why a value could not be read, rather than that it is no number: its kind is known, but not its text.
  private static func unreadable(_ decoder: any Decoder, _ error: any Error) -> any Error {
    for (what, read) in [
      ("a string", { _ = try decoder.singleValueContainer().decode(String.self) }),
      ("the name of a member", { _ = try decoder.container(keyedBy: JSONMemberKey.self) }),
      ("an array", { _ = try decoder.unkeyedContainer() }),
    ] as [(String, () throws -> Void)] {
      do {
        try read()
      } catch is DecodingError {
        // It is of another kind.
      } catch let cause {
        let reason = "\(cause)".prefix { $0 != "(" }
        let why =
          reason.contains("Surrogate") || reason.contains("UnicodeScalar")
          ? "half a surrogate pair, which is no character" : "what is no character: \(reason)"
        return DecodingError.dataCorrupted(
          DecodingError.Context(
            codingPath: decoder.codingPath, debugDescription: "\(what) has \(why)"))
      }
    }
    return error
  }

  public func encode(to encoder: any Encoder) throws {
    switch self {
    case .object(let members):
      var container = encoder.container(keyedBy: JSONMemberKey.self)
      for (name, value) in members {
        try container.encode(value, forKey: JSONMemberKey(stringValue: name))
      }
    case .array(let elements):
      var container = encoder.unkeyedContainer()
      for element in elements { try container.encode(element) }
    default:
      var container = encoder.singleValueContainer()
      switch self {
      case .bool(let flag): try container.encode(flag)
      case .integer(let integer): try container.encode(integer)
      case .number(let number): try container.encode(number)
      case .string(let text): try container.encode(text)
      case .null, .array, .object: try container.encodeNil()
      }
    }
  }
}

// Not by nil: an optional JSON value's `nil` would become `.null` where the compiler has the choice.
extension JSONValue: ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral,
  ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByBooleanLiteral
{
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(Dictionary(elements, uniquingKeysWith: { _, last in last }))
  }
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int64) { self = .integer(value) }
  public init(floatLiteral value: Double) { self = .number(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension JSONValue {
  /// At most how many bytes the value has as JSON text, without writing it: what batches are bounded by.
  public var sizeBound: Int {
    switch self {
    case .null, .bool: 5
    case .integer, .number: 26
    case .string(let text): Self.sizeBound(of: text)
    case .array(let elements): elements.reduce(2) { $0 + $1.sizeBound + 1 }
    case .object(let members):
      members.reduce(2) { $0 + Self.sizeBound(of: $1.key) + $1.value.sizeBound + 2 }
    }
  }

  /// The same of a text, with its quotation marks.
  static func sizeBound(of text: String) -> Int {
    var text = text
    return text.withUTF8 { bytes in
      var size = 2
      for byte in bytes {
        switch byte {
        case ..<0x20: size += 6
        case 0x22, 0x2F, 0x5C: size += 2
        default: size += 1
        }
      }
      return size
    }
  }
}

/// The kinds of JSON values, with the names that JSON Schema's `type` keyword gives them.
public enum JSONKind: String, Sendable, Hashable, Codable {
  case null, boolean, integer, number, string, array, object
}

/// The name of an object's member, or an array's index, where neither is known at compile time.
struct JSONMemberKey: CodingKey {
  let stringValue: String
  let intValue: Int?

  init(stringValue: String) {
    self.stringValue = stringValue
    self.intValue = nil
  }

  init(intValue: Int) {
    self.stringValue = String(intValue)
    self.intValue = intValue
  }
}

/// Why bytes are not the JSON that was asked for.
public struct JSONError: Error, Hashable, CustomStringConvertible {
  /// What was wrong and where, in words.
  public let description: String

  /// - Parameter description: what was wrong and where.
  public init(_ description: String) {
    self.description = description.shortened(to: Self.longest)
  }

  /// In bytes: names and values of the JSON are part of it.
  private static let longest = 600

  /// Puts Foundation's coding errors into one sentence that names the path.
  init(decoding error: any Error) {
    self.init(Self.words(error))
  }

  private static func words(_ error: any Error) -> String {
    switch error {
    case DecodingError.dataCorrupted(let context) where context.underlyingError is SchemaError:
      return at(context.codingPath, context.debugDescription)
    case DecodingError.dataCorrupted(let context):
      let detail = context.underlyingError.map { ": \($0)" } ?? ""
      return at(
        context.codingPath, "not valid JSON (\(context.debugDescription)\(detail))")
    case DecodingError.keyNotFound(let key, let context):
      return at(context.codingPath, "the member '\(key.stringValue)' is missing")
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      return at(context.codingPath, context.debugDescription)
    case EncodingError.invalidValue(let value, let context):
      return at(
        context.codingPath, "\(value) cannot be written as JSON: \(context.debugDescription)")
    default:
      return String(describing: error)
    }
  }

  private static func at(_ path: [any CodingKey], _ problem: String) -> String {
    path.isEmpty ? problem : "\(path.map(\.stringValue).joined(separator: ".")): \(problem)"
  }
}
