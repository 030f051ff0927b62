import Foundation

/// Walks a value's `encode(to:)` and notes what it would write: the kinds, the members, and which may be left out.
///
/// A plain JSON encoder drops a nil member and with it the knowledge that it exists; `encodeIfPresent` still says
/// its type here.
struct SchemaEncoder: Encoder {
  let codingPath: [any CodingKey] = []
  let userInfo: [CodingUserInfoKey: Any] = [:]
  let node: SchemaNode

  init(_ walk: SchemaWalk = SchemaWalk()) {
    node = SchemaNode(walk)
  }

  /// The schema that one instance of a type determines, without defaults.
  static func schema(of value: some Encodable) throws -> SchemaBuilder {
    try SchemaWalk().schema(of: value)
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

/// How deep a walk has come. Types may contain themselves, by way of optionals and arrays.
struct SchemaWalk {
  /// Deeper than that anything is accepted.
  private static let mostLevels = 12
  private var level = 0

  private var deeper: SchemaWalk {
    var walk = self
    walk.level += 1
    return walk
  }

  /// The schema that one instance of a type determines, without defaults.
  func schema(of value: some Encodable) throws -> SchemaBuilder {
    if let known = try schema(known: type(of: value)) { return known }
    guard level < Self.mostLevels else { return SchemaBuilder() }
    let encoder = SchemaEncoder(deeper)
    try value.encode(to: encoder)
    // Of an enum with associated values, each case of which has a member of its own, only one is seen here.
    if encoder.node.schema.kinds == [.object], Mirror(reflecting: value).displayStyle == .enum {
      return SchemaBuilder(kinds: [.object])
    }
    return encoder.node.schema
  }

  /// The schema of a type of which there is no instance, as of an Optional that is nil, or of an empty array's elements.
  func schema(ofMissing type: any Any.Type) throws -> SchemaBuilder {
    if let known = try schema(known: type) { return known }
    guard level < Self.mostLevels, let type = type as? any (Decodable & Encodable).Type,
      let sample = try? SampleDecoder.sample(type)
    else { return SchemaBuilder() }
    return try schema(of: sample)
  }

  /// The schema of what is written otherwise than its own `encode(to:)` says, or of which its type tells more than an instance.
  private func schema(known type: any Any.Type) throws -> SchemaBuilder? {
    switch type {
    case is Bool.Type: SchemaBuilder(kinds: [.boolean])
    case is any BinaryInteger.Type: SchemaBuilder(kinds: [.integer])
    case is any BinaryFloatingPoint.Type, is Decimal.Type: SchemaBuilder(kinds: [.number])
    case is any StringProtocol.Type, is Data.Type: SchemaBuilder(kinds: [.string])
    case is URL.Type: Self.url
    case is Date.Type: SchemaBuilder(kinds: [.string], format: .dateTime)
    case is UUID.Type: SchemaBuilder(kinds: [.string], format: .uuid)
    case is JSONValue.Type, is JSONPayload.Type: SchemaBuilder()
    case is any KeyedByString.Type: SchemaBuilder(kinds: [.object])
    case let type as any OptionalType.Type: try optional(type)
    case let type as any ListType.Type: try list(type)
    case let type as any (CaseIterable & Encodable).Type: try choices(type)
    default: nil
    }
  }

  private func optional(_ type: any OptionalType.Type) throws -> SchemaBuilder {
    var schema = try schema(ofMissing: type.wrapped)
    schema.allowNull()
    return schema
  }

  private func list(_ type: any ListType.Type) throws -> SchemaBuilder {
    var schema = SchemaBuilder(kinds: [.array])
    if level < Self.mostLevels { schema.items = try deeper.schema(ofMissing: type.element).orNil }
    return schema
  }

  /// An empty text is a reference by RFC 3986, and no URL to Foundation.
  private static var url: SchemaBuilder {
    var schema = SchemaBuilder(kinds: [.string], format: .uriReference)
    schema.minLength = 1
    return schema
  }

  private func choices<Choice: CaseIterable & Encodable>(
    _ type: Choice.Type
  ) throws -> SchemaBuilder {
    let values = try Choice.allCases.map { try JSONValue(encoding: $0) }
    var schema = SchemaBuilder(kinds: Set(values.map(\.kind)))
    schema.choices = values
    return schema
  }
}

extension SchemaBuilder {
  fileprivate var orNil: SchemaBuilder? { self == SchemaBuilder() ? nil : self }
}

/// Dictionaries that are written as objects, whose members are free: those with keys of text, integers and the like. Others are arrays.
private protocol KeyedByString {}
extension Dictionary: KeyedByString where Key: CodingKeyRepresentable {}

private protocol OptionalType { static var wrapped: any Any.Type { get } }
extension Optional: OptionalType { static var wrapped: any Any.Type { Wrapped.self } }

private protocol ListType { static var element: any Any.Type { get } }
extension Array: ListType { static var element: any Any.Type { Element.self } }
extension Set: ListType { static var element: any Any.Type { Element.self } }

/// Where the containers of one ``SchemaEncoder`` write: `Encoder` hands out containers as copies, so that they need a
/// place in common. It never leaves the call that made it.
final class SchemaNode {
  let walk: SchemaWalk
  var schema = SchemaBuilder()

  init(_ walk: SchemaWalk) {
    self.walk = walk
  }

  func becomeObject() {
    schema.kinds = [.object]
    if schema.properties == nil { schema.close([:]) }
  }

  func set(_ property: SchemaBuilder, _ name: String, optional: Bool) {
    becomeObject()
    var property = property
    if optional {
      property.allowNull()
    } else {
      schema.required.insert(name)
    }
    schema[name] = property
  }
}

struct SchemaKeyedContainer<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let node: SchemaNode
  let codingPath: [any CodingKey] = []

  mutating func encodeNil(forKey key: Key) {
    node.set(SchemaBuilder(), key.stringValue, optional: true)
  }

  mutating func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
    node.set(try node.walk.schema(of: value), key.stringValue, optional: false)
  }

  mutating func encodeIfPresent<T: Encodable>(_ value: T?, forKey key: Key) throws {
    let schema = try value.map { try node.walk.schema(of: $0) }
    node.set(try schema ?? node.walk.schema(ofMissing: T.self), key.stringValue, optional: true)
  }

  mutating func encodeIfPresent(_ value: Bool?, forKey key: Key) throws { try note(Bool.self, key) }
  mutating func encodeIfPresent(_ value: String?, forKey key: Key) throws {
    try note(String.self, key)
  }
  mutating func encodeIfPresent(_ value: Double?, forKey key: Key) throws {
    try note(Double.self, key)
  }
  mutating func encodeIfPresent(_ value: Float?, forKey key: Key) throws {
    try note(Float.self, key)
  }
  mutating func encodeIfPresent(_ value: Int?, forKey key: Key) throws { try note(Int.self, key) }
  mutating func encodeIfPresent(_ value: Int8?, forKey key: Key) throws { try note(Int8.self, key) }
  mutating func encodeIfPresent(_ value: Int16?, forKey key: Key) throws {
    try note(Int16.self, key)
  }
  mutating func encodeIfPresent(_ value: Int32?, forKey key: Key) throws {
    try note(Int32.self, key)
  }
  mutating func encodeIfPresent(_ value: Int64?, forKey key: Key) throws {
    try note(Int64.self, key)
  }
  mutating func encodeIfPresent(_ value: UInt?, forKey key: Key) throws { try note(UInt.self, key) }
  mutating func encodeIfPresent(_ value: UInt8?, forKey key: Key) throws {
    try note(UInt8.self, key)
  }
  mutating func encodeIfPresent(_ value: UInt16?, forKey key: Key) throws {
    try note(UInt16.self, key)
  }
  mutating func encodeIfPresent(_ value: UInt32?, forKey key: Key) throws {
    try note(UInt32.self, key)
  }
  mutating func encodeIfPresent(_ value: UInt64?, forKey key: Key) throws {
    try note(UInt64.self, key)
  }

  private func note(_ type: any Any.Type, _ key: Key) throws {
    node.set(try node.walk.schema(ofMissing: type), key.stringValue, optional: true)
  }

  mutating func nestedContainer<Nested: CodingKey>(
    keyedBy keyType: Nested.Type, forKey key: Key
  ) -> KeyedEncodingContainer<Nested> {
    // A member that a type writes by hand, level by level: only that it is an object is known.
    node.set(SchemaBuilder(kinds: [.object]), key.stringValue, optional: false)
    return SchemaEncoder().container(keyedBy: keyType)
  }

  mutating func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    node.set(SchemaBuilder(kinds: [.array]), key.stringValue, optional: false)
    return SchemaEncoder().unkeyedContainer()
  }

  mutating func superEncoder() -> any Encoder { SchemaEncoder() }
  mutating func superEncoder(forKey key: Key) -> any Encoder {
    node.set(SchemaBuilder(), key.stringValue, optional: false)
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
    if count == 0 { node.schema.items = try node.walk.schema(of: value) }
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
    node.schema = try node.walk.schema(of: value)
  }
}
