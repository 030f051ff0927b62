/// A JSON Schema (2020-12) while it is put together. Nothing of it has been checked; ``ParamsSchema`` does that.
///
/// ```swift
/// schema["path"].minLength = 1
/// schema["top"].minimum = 1
/// schema["options"]["token"].writeOnly = true
/// schema["tags"].items?.maxLength = 20
/// schema["options"][keyword: "dependentRequired"] = ["user": ["password"]]
/// ```
public struct SchemaBuilder: Sendable, Hashable {
  /// An object of keywords, or `true` or `false`.
  public var json: JSONValue

  /// - Parameter json: an object of keywords; an empty one accepts anything.
  public init(_ json: JSONValue = [:]) {
    self.json = json
  }

  /// Any keyword by its name, also those that have no property here.
  public subscript(keyword name: String) -> JSONValue? {
    get { json.members?[name] }
    set {
      var members = json.members ?? [:]
      members[name] = newValue
      json = .object(members)
    }
  }

  /// The schema of a member of the object that is described here.
  public subscript(name: String) -> SchemaBuilder {
    get { properties?[name] ?? SchemaBuilder() }
    set { properties = (properties ?? [:]).merging([name: newValue]) { _, new in new } }
  }

  /// The kinds of value that are accepted (`type`); empty accepts anything.
  public var kinds: Set<JSONKind> {
    get {
      switch self[keyword: "type"] {
      case .string(let name): Set([JSONKind(rawValue: name)].compactMap(\.self))
      case .array(let names):
        Set(
          names.compactMap {
            if case .string(let name) = $0 { JSONKind(rawValue: name) } else { nil }
          })
      default: []
      }
    }
    set {
      let names = newValue.map(\.rawValue).sorted().map { JSONValue.string($0) }
      self[keyword: "type"] = names.count > 1 ? .array(names) : names.first
    }
  }

  /// The members of an object that are known by name.
  public var properties: [String: SchemaBuilder]? {
    get { self[keyword: "properties"]?.members?.mapValues { SchemaBuilder($0) } }
    set { self[keyword: "properties"] = newValue.map { .object($0.mapValues(\.json)) } }
  }

  /// The members that have to be given.
  public var required: Set<String> {
    get { Set(texts("required")) }
    set {
      self[keyword: "required"] =
        newValue.isEmpty ? nil : .array(newValue.sorted().map { .string($0) })
    }
  }

  /// What each element of an array must be.
  public var items: SchemaBuilder? {
    get { self[keyword: "items"].map { SchemaBuilder($0) } }
    set { self[keyword: "items"] = newValue?.json }
  }

  /// The only values that are accepted (`enum`).
  public var choices: [JSONValue]? {
    get { if case .array(let values) = self[keyword: "enum"] { values } else { nil } }
    set { self[keyword: "enum"] = newValue.map { .array($0) } }
  }

  /// What a text has to be.
  public var format: ParamsFormat? {
    get { text("format").flatMap { ParamsFormat(rawValue: $0) } }
    set { self[keyword: "format"] = newValue.map { .string($0.rawValue) } }
  }

  /// A regular expression that is found somewhere in a text.
  public var pattern: String? {
    get { text("pattern") }
    set { self[keyword: "pattern"] = newValue.map { .string($0) } }
  }

  /// What it is, for people.
  public var title: String? {
    get { text("title") }
    set { self[keyword: "title"] = newValue.map { .string($0) } }
  }

  /// What it is for, for people.
  public var description: String? {
    get { text("description") }
    set { self[keyword: "description"] = newValue.map { .string($0) } }
  }

  /// What is taken when the member is left out.
  public var defaultValue: JSONValue? {
    get { self[keyword: "default"] }
    set { self[keyword: "default"] = newValue }
  }

  /// A number is at least this.
  public var minimum: Double? {
    get { number("minimum") }
    set { set("minimum", newValue) }
  }
  /// A number is at most this.
  public var maximum: Double? {
    get { number("maximum") }
    set { set("maximum", newValue) }
  }
  /// A number is more than this.
  public var exclusiveMinimum: Double? {
    get { number("exclusiveMinimum") }
    set { set("exclusiveMinimum", newValue) }
  }
  /// A number is less than this.
  public var exclusiveMaximum: Double? {
    get { number("exclusiveMaximum") }
    set { set("exclusiveMaximum", newValue) }
  }
  /// A number is so many times this.
  public var multipleOf: Double? {
    get { number("multipleOf") }
    set { set("multipleOf", newValue) }
  }

  /// How many Unicode scalars a text has at least.
  public var minLength: Int? {
    get { count("minLength") }
    set { set("minLength", newValue) }
  }
  /// How many Unicode scalars a text has at most.
  public var maxLength: Int? {
    get { count("maxLength") }
    set { set("maxLength", newValue) }
  }
  /// How many elements an array has at least.
  public var minItems: Int? {
    get { count("minItems") }
    set { set("minItems", newValue) }
  }
  /// How many elements an array has at most.
  public var maxItems: Int? {
    get { count("maxItems") }
    set { set("maxItems", newValue) }
  }
  /// How many members an object has at least.
  public var minProperties: Int? {
    get { count("minProperties") }
    set { set("minProperties", newValue) }
  }
  /// How many members an object has at most.
  public var maxProperties: Int? {
    get { count("maxProperties") }
    set { set("maxProperties", newValue) }
  }

  /// Whether no element of an array is there twice.
  public var uniqueItems: Bool {
    get { self[keyword: "uniqueItems"] == true }
    set { self[keyword: "uniqueItems"] = newValue ? true : nil }
  }
  /// Whether the value is not to be shown again: a secret.
  public var writeOnly: Bool {
    get { self[keyword: "writeOnly"] == true }
    set { self[keyword: "writeOnly"] = newValue ? true : nil }
  }
  /// Whether it should not be used any more.
  public var deprecated: Bool {
    get { self[keyword: "deprecated"] == true }
    set { self[keyword: "deprecated"] = newValue ? true : nil }
  }

  private func text(_ keyword: String) -> String? {
    if case .string(let text) = self[keyword: keyword] { text } else { nil }
  }

  private func texts(_ keyword: String) -> [String] {
    guard case .array(let values) = self[keyword: keyword] else { return [] }
    return values.compactMap { if case .string(let text) = $0 { text } else { nil } }
  }

  private func number(_ keyword: String) -> Double? {
    switch self[keyword: keyword] {
    case .integer(let integer): Double(integer)
    case .number(let number): number
    default: nil
    }
  }

  private mutating func set(_ keyword: String, _ number: Double?) {
    self[keyword: keyword] = number.map { Int64(exactly: $0).map { .integer($0) } ?? .number($0) }
  }

  private func count(_ keyword: String) -> Int? {
    if case .integer(let count) = self[keyword: keyword] { Int(count) } else { nil }
  }

  private mutating func set(_ keyword: String, _ count: Int?) {
    self[keyword: keyword] = count.map { .integer(Int64($0)) }
  }
}

// MARK: What is derived

extension SchemaBuilder {
  init(kinds: Set<JSONKind>, format: ParamsFormat? = nil) {
    self.init()
    self.kinds = kinds
    self.format = format
  }

  /// An object with these members and no others.
  mutating func close(_ members: [String: SchemaBuilder]) {
    properties = members
    self[keyword: "additionalProperties"] = false
  }

  /// The schema of a default instance, with the defaults.
  init(defaults value: JSONValue) {
    if case .object(let members) = value {
      self.init(kinds: [.object])
      close(members.mapValues { SchemaBuilder(defaults: $0) })
    } else {
      self.init(shapeOf: value)
    }
    defaultValue = value
  }

  private init(shapeOf value: JSONValue) {
    json = Self.shape(of: value)
  }

  /// The same without defaults. Each value is looked at once: twice a level would be for ever with a hundred levels.
  private static func shape(of value: JSONValue) -> JSONValue {
    switch value {
    case .null:
      return [:]
    case .object(let members):
      return .object([
        "type": "object", "properties": .object(members.mapValues { shape(of: $0) }),
        "additionalProperties": false,
      ])
    case .array(let elements):
      guard let first = elements.first.map({ shape(of: $0) }), first != [:],
        elements.dropFirst().allSatisfy({ shape(of: $0) == first })
      else { return ["type": "array"] }
      return ["type": "array", "items": first]
    case .bool, .integer, .number, .string:
      return ["type": .string(value.kind.rawValue)]
    }
  }

  /// The same, where the value may be left empty as well.
  mutating func allowNull() {
    if !kinds.isEmpty { kinds.insert(.null) }
    if let choices, !choices.contains(.null) { self.choices = choices + [.null] }
  }

  /// The same, with these defaults of an object's members; what has one need not be given.
  func withDefaults(ofMembers defaults: [String: JSONValue]) -> SchemaBuilder {
    guard var members = properties else { return self }
    var schema = self
    for (name, value) in defaults {
      if let member = members[name] { members[name] = member.withDefaults(value) }
    }
    schema.properties = members
    schema.required.subtract(defaults.keys)
    return schema
  }

  func withDefaults(_ value: JSONValue) -> SchemaBuilder {
    var schema = self
    if case .object(let members) = value { schema = schema.withDefaults(ofMembers: members) }
    schema.defaultValue = value
    return schema
  }

  /// A member that is here and not there, though the members there are all that there are: a slip of whoever has changed it.
  func stranger(to original: SchemaBuilder) -> String? {
    if let known = original.properties, let members = properties {
      for (name, member) in members.sorted(by: { $0.key < $1.key }) {
        guard let was = known[name] else { return name }
        if let inner = member.stranger(to: was) { return "\(name)/\(inner)" }
      }
    }
    guard let was = original.items, let now = items else { return nil }
    return now.stranger(to: was)
  }
}
