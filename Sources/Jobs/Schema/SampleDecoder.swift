import Foundation

/// Makes an instance of any type whose values can be made up: by its own `init(from:)`, with values that mean nothing.
///
/// There are two of them, which differ in all that is made up: what is the same in both was not.
struct SampleDecoder: Decoder {
  enum Sample: CaseIterable {
    case first, second
  }

  /// Types that contain themselves end with an empty array here.
  private static let mostLevels = 4
  /// A type that asks for itself would go on for ever.
  private static let deepest = 40

  let codingPath: [any CodingKey] = []
  let userInfo: [CodingUserInfoKey: Any] = [:]
  let sample: Sample
  var level = 0

  /// - Throws: ``JSONError`` when the type takes only values that cannot be guessed.
  static func sample<Value: Decodable>(
    _ type: Value.Type, _ sample: Sample = .first
  ) throws(JSONError) -> Value {
    do {
      return try SampleDecoder(sample: sample).make(type)
    } catch {
      throw JSONError("\(type) cannot be made up: \(JSONError(decoding: error))")
    }
  }

  func make<Value: Decodable>(_ type: Value.Type) throws -> Value {
    if let value = wellKnown(type) as? Value { return value }
    if let value = (type as? any CaseIterable.Type).flatMap({ choice($0) }) as? Value {
      return value
    }
    guard level < Self.deepest else { throw JSONError("it contains itself") }
    return try Value(from: SampleDecoder(sample: sample, level: level + 1))
  }

  private func wellKnown(_ type: any Any.Type) -> Any? {
    let isFirst = sample == .first
    return switch type {
    case is Date.Type: Date(timeIntervalSince1970: isFirst ? 0 : 1)
    case is URL.Type: URL(string: isFirst ? "http://a/" : "http://b/")
    case is UUID.Type:
      UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, isFirst ? 1 : 2))
    case is Data.Type: Data([isFirst ? 0 : 1])
    case is Decimal.Type: Decimal(isFirst ? 0 : 1)
    case is JSONValue.Type: JSONValue.integer(isFirst ? 0 : 1)
    default: nil
    }
  }

  private func choice<Choice: CaseIterable>(_ type: Choice.Type) -> Choice? {
    sample == .first
      ? Choice.allCases.first : Choice.allCases.dropFirst().first ?? Choice.allCases.first
  }

  /// Arrays have an element in the second sample, so that the two differ.
  fileprivate var hasElements: Bool { sample == .second && level < Self.mostLevels }

  fileprivate func number<Number: Numeric>(_ type: Number.Type = Number.self) -> Number {
    sample == .first ? .zero : 1
  }

  fileprivate var text: String { sample == .first ? "a" : "b" }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
    KeyedDecodingContainer(SampleKeyedContainer<Key>(decoder: self))
  }

  func unkeyedContainer() -> any UnkeyedDecodingContainer {
    SampleUnkeyedContainer(decoder: self)
  }

  func singleValueContainer() -> any SingleValueDecodingContainer {
    SampleSingleValueContainer(decoder: self)
  }
}

private struct SampleKeyedContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let decoder: SampleDecoder
  let codingPath: [any CodingKey] = []
  /// A dictionary's: it has an entry where an array has an element.
  var allKeys: [Key] {
    decoder.hasElements ? Key(stringValue: decoder.text).map { [$0] } ?? [] : []
  }

  func contains(_ key: Key) -> Bool { true }
  // An optional stays empty: its type is noted when it is written.
  func decodeNil(forKey key: Key) -> Bool { true }
  func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
    try decoder.make(type)
  }
  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) -> KeyedDecodingContainer<Nested> {
    decoder.container(keyedBy: type)
  }
  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedDecodingContainer {
    decoder.unkeyedContainer()
  }
  func superDecoder() -> any Decoder { decoder }
  func superDecoder(forKey key: Key) -> any Decoder { decoder }
}

private struct SampleUnkeyedContainer: UnkeyedDecodingContainer {
  let decoder: SampleDecoder
  let codingPath: [any CodingKey] = []
  private(set) var currentIndex = 0

  init(decoder: SampleDecoder) {
    self.decoder = decoder
  }

  var count: Int? { decoder.hasElements ? 1 : 0 }
  var isAtEnd: Bool { currentIndex >= (count ?? 0) }

  mutating func decodeNil() -> Bool { false }
  mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    currentIndex += 1
    return try decoder.make(type)
  }
  mutating func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type
  ) -> KeyedDecodingContainer<Nested> {
    currentIndex += 1
    return decoder.container(keyedBy: type)
  }
  mutating func nestedUnkeyedContainer() -> any UnkeyedDecodingContainer {
    currentIndex += 1
    return decoder.unkeyedContainer()
  }
  mutating func superDecoder() -> any Decoder {
    currentIndex += 1
    return decoder
  }
}

private struct SampleSingleValueContainer: SingleValueDecodingContainer {
  let decoder: SampleDecoder
  let codingPath: [any CodingKey] = []

  func decodeNil() -> Bool { true }
  func decode(_ type: Bool.Type) -> Bool { decoder.sample == .second }
  func decode(_ type: String.Type) -> String { decoder.text }
  func decode(_ type: Double.Type) -> Double { decoder.number() }
  func decode(_ type: Float.Type) -> Float { decoder.number() }
  func decode(_ type: Int.Type) -> Int { decoder.number() }
  func decode(_ type: Int8.Type) -> Int8 { decoder.number() }
  func decode(_ type: Int16.Type) -> Int16 { decoder.number() }
  func decode(_ type: Int32.Type) -> Int32 { decoder.number() }
  func decode(_ type: Int64.Type) -> Int64 { decoder.number() }
  func decode(_ type: UInt.Type) -> UInt { decoder.number() }
  func decode(_ type: UInt8.Type) -> UInt8 { decoder.number() }
  func decode(_ type: UInt16.Type) -> UInt16 { decoder.number() }
  func decode(_ type: UInt32.Type) -> UInt32 { decoder.number() }
  func decode(_ type: UInt64.Type) -> UInt64 { decoder.number() }
  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try decoder.make(type) }
}
