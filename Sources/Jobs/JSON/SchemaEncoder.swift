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
