import Foundation

/// The schema of a job type's params: the part of JSON Schema 2020-12 that a Swift type or a default instance determines.
///
/// A schema says which kinds of value a place takes, what an object's members are (no others are accepted), which of them have
/// to be there, and what stands there when another one is left out. It is written and read as JSON Schema, so that it can be
/// handed to any tool that knows that.
public struct ParamsSchema: Sendable, Hashable {
  /// The kinds of value accepted here; empty accepts anything.
  public var kinds: Set<JSONKind>
  /// The members of an object; `nil` where an object's members are free (a Swift dictionary, say).
  public var properties: [String: ParamsSchema]?
  /// The members that have to be given.
  public var required: Set<String> = []
  /// The only values that are accepted; empty is without such a choice.
  public var choices: [JSONValue] = []
  /// What a text has to be.
  public var format: ParamsFormat?
  /// What it is for, for people.
  public var description: String?
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
    // Where a null is one of the kinds, it is one of the choices.
    guard choices.isEmpty || value == .null || choices.contains(value) else {
      throw .noChoice(path: path, choices: choices)
    }
    if let format, case .string(let text) = value, !format.accepts(text) {
      throw .wrongFormat(path: path, expected: format)
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
        } else if required.contains(name) {
          throw .missingMember(path: path + [name], expected: schema.kinds)
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

  /// The same, with these defaults of an object's members; what has one need not be given.
  func withDefaults(ofMembers defaults: [String: JSONValue]) -> ParamsSchema {
    var schema = self
    schema.properties = properties?.reduce(into: [:]) { result, property in
      result[property.key] =
        defaults[property.key].map { property.value.withDefaults($0) } ?? property.value
    }
    schema.required.subtract(defaults.keys)
    return schema
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
    if case .object(let members) = value { schema = schema.withDefaults(ofMembers: members) }
    return schema
  }
}

extension ParamsSchema: Codable {
  private enum CodingKeys: String, CodingKey {
    case type, properties, required, items, format, description
    case choices = "enum"
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
    required = try container.decodeIfPresent(Set<String>.self, forKey: .required) ?? []
    choices = try container.decodeIfPresent([JSONValue].self, forKey: .choices) ?? []
    format = try container.decodeIfPresent(ParamsFormat.self, forKey: .format)
    description = try container.decodeIfPresent(String.self, forKey: .description)
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
    if !required.isEmpty { try container.encode(required.sorted(), forKey: .required) }
    try container.encodeIfPresent(items.first, forKey: .items)
    if !choices.isEmpty { try container.encode(choices, forKey: .choices) }
    try container.encodeIfPresent(format, forKey: .format)
    try container.encodeIfPresent(description, forKey: .description)
    if let defaultValue { try container.encode(defaultValue, forKey: .defaultValue) }
  }
}

/// What a text is, by JSON Schema's names ("format-assertion" vocabulary).
public enum ParamsFormat: String, Sendable, Hashable, Codable {
  /// RFC 3339, as in `2026-07-01T12:00:00Z`.
  case dateTime = "date-time"
  /// RFC 3986, relative ones included.
  case uri = "uri-reference"
  /// RFC 9562, in either case.
  case uuid

  func accepts(_ text: String) -> Bool {
    switch self {
    case .dateTime: JSONDate.date(text) != nil
    case .uri: URL(string: text) != nil
    case .uuid: UUID(uuidString: text) != nil
    }
  }
}

/// Why params do not fit their job type's schema.
public enum ParamsError: Error, Hashable, CustomStringConvertible {
  /// A value of another kind than the schema asks for.
  case wrongKind(path: [String], found: JSONKind, expected: Set<JSONKind>)
  /// A member that the job type does not have.
  case unknownMember(path: [String], known: [String])
  /// A member that has to be given.
  case missingMember(path: [String], expected: Set<JSONKind>)
  /// A value that is none of those that there are.
  case noChoice(path: [String], choices: [JSONValue])
  /// A text that is not what it should be.
  case wrongFormat(path: [String], expected: ParamsFormat)

  /// Where, within the params: a JSON pointer (RFC 6901), empty for the params as a whole.
  public var pointer: String {
    path.map { name in
      "/" + name.replacing("~", with: "~0").replacing("/", with: "~1")
    }.joined()
  }

  private var path: [String] {
    switch self {
    case .wrongKind(let path, _, _), .unknownMember(let path, _), .missingMember(let path, _),
      .noChoice(let path, _), .wrongFormat(let path, _):
      path
    }
  }

  public var description: String {
    switch self {
    case .wrongKind(_, let found, let expected):
      return "\(place) must be \(Self.kinds(expected)), not \(found.rawValue)"
    case .unknownMember(_, let known):
      let names = known.listedAsKnown(orElse: "it takes none").shortened(to: 400)
      return "\(place) is no parameter of this job type; \(names)"
    case .missingMember(_, let expected):
      let kinds = expected.isEmpty ? "" : " (\(Self.kinds(expected)))"
      return "\(place) is missing; this parameter\(kinds) has to be given"
    case .noChoice(_, let choices):
      let list = choices.map(\.text).joined(separator: ", ").shortened(to: 400)
      return "\(place) must be one of \(list)"
    case .wrongFormat(_, let expected):
      return "\(place) is no text of the format \(expected.rawValue)"
    }
  }

  private static func kinds(_ kinds: Set<JSONKind>) -> String {
    kinds.map(\.rawValue).sorted().joined(separator: " or ")
  }

  private var place: String {
    let pointer = pointer
    return pointer.isEmpty ? "the params" : "the parameter \(pointer)".shortened(to: 400)
  }
}
