import Foundation

/// Walks a value's `encode(to:)` and notes what it would write: the kinds, the members, and which may be left out.
///
/// A plain JSON encoder drops a nil member and with it the knowledge that it exists; `encodeIfPresent` still says
/// its type here.
struct SchemaEncoder: Encoder {
  let codingPath: [any CodingKey] = []
  let userInfo: [CodingUserInfoKey: Any] = [:]
  let node = SchemaNode()

  /// The schema that one instance of a type determines, without defaults.
  static func schema(of value: some Encodable) throws -> ParamsSchema {
    if let known = primitive(type(of: value)) { return known }
    let encoder = SchemaEncoder()
    try value.encode(to: encoder)
    return encoder.node.schema
  }

  /// The kinds of the types that are written as a single value.
  static func primitive(_ type: any Any.Type) -> ParamsSchema? {
    switch type {
    case is Bool.Type: ParamsSchema(kinds: [.boolean])
    case is any BinaryInteger.Type: ParamsSchema(kinds: [.integer])
    case is any BinaryFloatingPoint.Type: ParamsSchema(kinds: [.number])
    case is any StringProtocol.Type: ParamsSchema(kinds: [.string])
    // JSONEncoder writes these otherwise than their own encode(to:) does.
    case is URL.Type, is Data.Type: ParamsSchema(kinds: [.string])
    case is Decimal.Type: ParamsSchema(kinds: [.number])
    case is JSONValue.Type: .anything
    case is any KeyedByString.Type: ParamsSchema(kinds: [.object])
    default: nil
    }
  }

  /// The schema of a type of which there is no instance, as of an Optional that is nil.
  static func schema(ofMissing type: any Any.Type) -> ParamsSchema {
    primitive(type) ?? .anything
  }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    node.becomeObject()
    return KeyedEncodingContainer(SchemaKeyedContainer<Key>(node: node))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    node.schema.kinds = [.array]
    return SchemaUnkeyedContainer(node: node)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer {
    SchemaSingleValueContainer(node: node)
  }
}

/// Dictionaries with string keys, whose members are free.
private protocol KeyedByString {}
extension Dictionary: KeyedByString where Key == String {}

/// Where the containers of one ``SchemaEncoder`` write: `Encoder` hands out containers as copies, so that they need a
/// place in common. It never leaves the call that made it.
final class SchemaNode {
  var schema = ParamsSchema.anything

  func becomeObject() {
    schema.kinds = [.object]
    if schema.properties == nil { schema.properties = [:] }
  }

  func set(_ property: ParamsSchema, _ name: String, optional: Bool) {
    becomeObject()
    var property = property
    if optional, !property.kinds.isEmpty { property.kinds.insert(.null) }
    schema.properties?[name] = property
  }
}

struct SchemaKeyedContainer<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let node: SchemaNode
  let codingPath: [any CodingKey] = []

  mutating func encodeNil(forKey key: Key) {
    node.set(.anything, key.stringValue, optional: true)
  }

  mutating func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
    node.set(try SchemaEncoder.schema(of: value), key.stringValue, optional: false)
  }

  mutating func encodeIfPresent<T: Encodable>(_ value: T?, forKey key: Key) throws {
    let schema = try value.map { try SchemaEncoder.schema(of: $0) }
    node.set(schema ?? SchemaEncoder.schema(ofMissing: T.self), key.stringValue, optional: true)
  }

  mutating func encodeIfPresent(_ value: Bool?, forKey key: Key) { note(Bool.self, key) }
  mutating func encodeIfPresent(_ value: String?, forKey key: Key) { note(String.self, key) }
  mutating func encodeIfPresent(_ value: Double?, forKey key: Key) { note(Double.self, key) }
  mutating func encodeIfPresent(_ value: Float?, forKey key: Key) { note(Float.self, key) }
  mutating func encodeIfPresent(_ value: Int?, forKey key: Key) { note(Int.self, key) }
  mutating func encodeIfPresent(_ value: Int8?, forKey key: Key) { note(Int8.self, key) }
  mutating func encodeIfPresent(_ value: Int16?, forKey key: Key) { note(Int16.self, key) }
  mutating func encodeIfPresent(_ value: Int32?, forKey key: Key) { note(Int32.self, key) }
  mutating func encodeIfPresent(_ value: Int64?, forKey key: Key) { note(Int64.self, key) }
  mutating func encodeIfPresent(_ value: UInt?, forKey key: Key) { note(UInt.self, key) }
  mutating func encodeIfPresent(_ value: UInt8?, forKey key: Key) { note(UInt8.self, key) }
  mutating func encodeIfPresent(_ value: UInt16?, forKey key: Key) { note(UInt16.self, key) }
  mutating func encodeIfPresent(_ value: UInt32?, forKey key: Key) { note(UInt32.self, key) }
  mutating func encodeIfPresent(_ value: UInt64?, forKey key: Key) { note(UInt64.self, key) }

  private func note(_ type: any Any.Type, _ key: Key) {
    node.set(SchemaEncoder.schema(ofMissing: type), key.stringValue, optional: true)
  }

  mutating func nestedContainer<Nested: CodingKey>(
    keyedBy keyType: Nested.Type, forKey key: Key
  ) -> KeyedEncodingContainer<Nested> {
    // A member that a type writes by hand, level by level: only that it is an object is known.
    node.set(ParamsSchema(kinds: [.object]), key.stringValue, optional: false)
    return SchemaEncoder().container(keyedBy: keyType)
  }

  mutating func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    node.set(ParamsSchema(kinds: [.array]), key.stringValue, optional: false)
    return SchemaEncoder().unkeyedContainer()
  }

  mutating func superEncoder() -> any Encoder { SchemaEncoder() }
  mutating func superEncoder(forKey key: Key) -> any Encoder {
    node.set(.anything, key.stringValue, optional: false)
    return SchemaEncoder()
  }
}

struct SchemaUnkeyedContainer: UnkeyedEncodingContainer {
  let node: SchemaNode
  let codingPath: [any CodingKey] = []
  private(set) var count = 0

  init(node: SchemaNode) {
    self.node = node
  }

  mutating func encodeNil() { count += 1 }

  mutating func encode<T: Encodable>(_ value: T) throws {
    if count == 0 { node.schema.items = [try SchemaEncoder.schema(of: value)] }
    count += 1
  }

  mutating func nestedContainer<Nested: CodingKey>(
    keyedBy keyType: Nested.Type
  ) -> KeyedEncodingContainer<Nested> {
    count += 1
    return SchemaEncoder().container(keyedBy: keyType)
  }

  mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
    count += 1
    return SchemaEncoder().unkeyedContainer()
  }

  mutating func superEncoder() -> any Encoder { SchemaEncoder() }
}

struct SchemaSingleValueContainer: SingleValueEncodingContainer {
  let node: SchemaNode
  let codingPath: [any CodingKey] = []

  mutating func encodeNil() {}

  mutating func encode<T: Encodable>(_ value: T) throws {
    node.schema = try SchemaEncoder.schema(of: value)
  }
}
