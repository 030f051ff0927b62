/// The schema of a job type's params: the part of JSON Schema 2020-12 that a default instance determines.
///
/// A schema says which kinds of value a place takes, what an object's members are (no others are accepted) and what
/// stands there when a member is left out. It is written and read as JSON Schema, so that it can be handed to
/// any tool that knows that.
public struct ParamsSchema: Sendable, Hashable {
  /// The kinds of value accepted here; empty accepts anything.
  public var kinds: Set<JSONKind>
  /// The members of an object; `nil` where an object's members are free (a Swift dictionary, say).
  public var properties: [String: ParamsSchema]?
  /// What each element of an array must be; one element, since Swift's value types cannot nest themselves directly.
  public var items: [ParamsSchema]
  /// What is taken when the member is left out.
  public var defaultValue: JSONValue?

  /// A schema from its parts.
  public init(
    kinds: Set<JSONKind>, properties: [String: ParamsSchema]? = nil, items: ParamsSchema? = nil,
    defaultValue: JSONValue? = nil
  ) {
    self.kinds = kinds
    self.properties = properties
    self.items = items.map { [$0] } ?? []
    self.defaultValue = defaultValue
  }

  /// Accepts anything.
  public static let anything = ParamsSchema(kinds: [])

  /// Derives the schema from a default instance that is only known as JSON, as in a config file.
  ///
  /// A default of `null` tells nothing of the type, so it accepts anything; so do the elements of an empty array.
  public init(defaults value: JSONValue) {
    switch value {
    case .null:
      self = .anything
    case .object(let members):
      self.init(
        kinds: [.object],
        properties: members.isEmpty ? [:] : members.mapValues { ParamsSchema(defaults: $0) })
    case .array(let elements):
      // Each once: twice a level would be for ever with a hundred levels.
      let schemas = Set(elements.map { ParamsSchema(defaults: $0).withoutDefaults })
      self.init(kinds: [.array], items: schemas.count == 1 ? schemas.first : nil)
    case .bool, .integer, .number, .string:
      self.init(kinds: [value.kind])
    }
    defaultValue = value
  }

  /// Derives the schema from a default instance of a Swift type. Optional members are found even when they are nil.
  ///
  /// - Throws: ``JSONError`` when the instance cannot be written as JSON.
  public init(defaults value: some Encodable) throws(JSONError) {
    let shape: ParamsSchema
    do {
      shape = try SchemaEncoder.schema(of: value)
    } catch {
      throw JSONError(decoding: error)
    }
    self = shape.withDefaults(try JSONValue(encoding: value))
  }

  /// Checks a value and fills in what was left out.
  ///
  /// - Throws: ``ParamsError`` that names the first member that does not fit (in the order of names) and what would.
  public func complete(_ value: JSONValue) throws(ParamsError) -> JSONValue {
    try complete(value, path: [])
  }

  private func complete(_ value: JSONValue, path: [String]) throws(ParamsError) -> JSONValue {
    guard kinds.isEmpty || kinds.contains(where: { value.kind.satisfies($0) }) else {
      throw .wrongKind(path: path, found: value.kind, expected: kinds)
    }
    switch value {
    case .object(let members):
      guard let properties else { return value }
      if let unknown = members.keys.filter({ properties[$0] == nil }).min() {
        throw .unknownMember(path: path + [unknown], known: properties.keys.sorted())
      }
      var completed: [String: JSONValue] = [:]
      for (name, schema) in properties.sorted(by: { $0.key < $1.key }) {
        if let given = members[name] {
          completed[name] = try schema.complete(given, path: path + [name])
        } else if let defaultValue = schema.defaultValue {
          completed[name] = defaultValue
        }
      }
      return .object(completed)
    case .array(let elements):
      guard let items = items.first else { return value }
      var completed: [JSONValue] = []
      for (index, element) in elements.enumerated() {
        completed.append(try items.complete(element, path: path + [String(index)]))
      }
      return .array(completed)
    case .null, .bool, .integer, .number, .string:
      return value
    }
  }

  private var withoutDefaults: ParamsSchema {
    var schema = self
    schema.defaultValue = nil
    schema.properties = properties?.mapValues(\.withoutDefaults)
    schema.items = items.map(\.withoutDefaults)
    return schema
  }

  private func withDefaults(_ value: JSONValue) -> ParamsSchema {
    var schema = self
    schema.defaultValue = value
    if case .object(let members) = value, let properties {
      schema.properties = properties.reduce(into: [:]) { result, property in
        result[property.key] =
          members[property.key].map { property.value.withDefaults($0) } ?? property.value
      }
    }
    return schema
  }
}

extension ParamsSchema: Codable {
  private enum CodingKeys: String, CodingKey {
    case type, properties, items
    case additionalProperties
    case defaultValue = "default"
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    if let one = try? container.decode(JSONKind.self, forKey: .type) {
      kinds = [one]
    } else {
      kinds = try container.decodeIfPresent(Set<JSONKind>.self, forKey: .type) ?? []
    }
    properties = try container.decodeIfPresent([String: ParamsSchema].self, forKey: .properties)
    items = try container.decodeIfPresent(ParamsSchema.self, forKey: .items).map { [$0] } ?? []
    // Not decodeIfPresent: a default of null is a default.
    defaultValue =
      container.contains(.defaultValue)
      ? try container.decode(JSONValue.self, forKey: .defaultValue) : nil
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    if let only = kinds.first, kinds.count == 1 {
      try container.encode(only, forKey: .type)
    } else if !kinds.isEmpty {
      try container.encode(kinds.sorted { $0.rawValue < $1.rawValue }, forKey: .type)
    }
    if let properties {
      try container.encode(properties, forKey: .properties)
      try container.encode(false, forKey: .additionalProperties)
    }
    try container.encodeIfPresent(items.first, forKey: .items)
    if let defaultValue { try container.encode(defaultValue, forKey: .defaultValue) }
  }
}

/// Why params do not fit their job type's schema.
public enum ParamsError: Error, Hashable, CustomStringConvertible {
  /// A value of another kind than the schema asks for.
  case wrongKind(path: [String], found: JSONKind, expected: Set<JSONKind>)
  /// A member that the job type does not have.
  case unknownMember(path: [String], known: [String])

  public var description: String {
    switch self {
    case .wrongKind(let path, let found, let expected):
      let kinds = expected.map(\.rawValue).sorted().joined(separator: " or ")
      return "\(Self.name(path)) must be \(kinds), not \(found.rawValue)"
    case .unknownMember(let path, let known):
      let names = known.listedAsKnown(orElse: "it takes none").shortened(to: 400)
      return "\(Self.name(path)) is no parameter of this job type; \(names)"
    }
  }

  private static func name(_ path: [String]) -> String {
    (["params"] + path).joined(separator: ".").shortened(to: 400)
  }
}
