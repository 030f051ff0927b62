/// The JSON Schema (2020-12) of a job type's params: what a job of the type may ask for, and what stands for what it leaves out.
///
/// It is derived from a Swift type or from default params, or given as JSON. It has been checked as a whole: it uses keywords
/// that are supported and no others, so that none is passed over in silence. It is written as it was given.
///
/// What is left out of an object is filled in from the `default` of its member in `properties`, and what is left out of the
/// params as a whole also from the `default` of the schema itself, at every depth. That is so for what always applies: beyond
/// `properties` that is `patternProperties`, `additionalProperties`, `items`, `prefixItems`, `$ref` and `allOf`. A default
/// within `anyOf`, `oneOf`, `not`, `if`, `then`, `else`, `dependentSchemas` or `contains` is only a note. A default is taken as it
/// is written; it has to fit its own schema.
public struct ParamsSchema: Sendable {
  /// The schema as it was given.
  public let json: JSONValue
  let program: SchemaProgram

  /// Reads a schema.
  ///
  /// - Throws: ``SchemaError`` with all that is wrong with it: keywords that are not supported, or have a value that they cannot
  ///   have.
  public init(_ json: JSONValue) throws(SchemaError) {
    program = try SchemaProgram(reading: json)
    self.json = json
  }

  /// Reads what was put together.
  ///
  /// - Throws: ``SchemaError``, as for JSON.
  public init(_ builder: SchemaBuilder) throws(SchemaError) {
    try self.init(builder.json)
  }

  /// One that is right by the way it was made.
  init(derived builder: SchemaBuilder) {
    json = builder.json
    program = SchemaProgram(derived: json)
  }

  /// Accepts anything.
  public static let anything = ParamsSchema(derived: SchemaBuilder())

  /// Derives the schema from a default instance that is only known as JSON, as in a config file.
  ///
  /// A default of `null` tells nothing of the type, so it accepts anything; so do the elements of an empty array.
  public init(defaults value: JSONValue) {
    self.init(derived: SchemaBuilder(defaults: value))
  }

  /// Derives the schema from a default instance of a Swift type. Optional members are found even when they are nil.
  ///
  /// - Throws: ``JSONError`` when the instance cannot be written as JSON.
  public init(defaults value: some Encodable) throws(JSONError) {
    let shape: SchemaBuilder
    do {
      shape = try SchemaEncoder.schema(of: value)
    } catch {
      throw JSONError(decoding: error)
    }
    self.init(derived: shape.withDefaults(try JSONValue(encoding: value)))
  }

  /// Checks params and fills in what was left out.
  ///
  /// - Throws: ``ParamsError`` with all that does not fit, and what would.
  public func complete(_ value: JSONValue) throws(ParamsError) -> JSONValue {
    var check = SchemaCheck(program, of: value)
    guard let completed = check.filled(value) else {
      try check.run(value)
      return value
    }
    try check.run(completed)
    guard completed.isNested(atMost: JSONValue.maxDepth) else {
      throw .limit(
        "the params are nested more than \(JSONValue.maxDepth) levels deep once the defaults are filled in"
      )
    }
    return completed
  }

  /// Checks a value as it is.
  ///
  /// - Throws: ``ParamsError`` with all that does not fit, and what would.
  public func check(_ value: JSONValue) throws(ParamsError) {
    var check = SchemaCheck(program, of: value)
    try check.run(value)
  }

  /// What a job has that leaves out everything; `{}` where there are no defaults. It may not fit: what is required is missing.
  package var defaults: JSONValue {
    var check = SchemaCheck(program, of: [:])
    return check.filled([:]) ?? [:]
  }

  /// The members that are known by name, at every depth, each with its default or `null`: what a command may name.
  package var outline: JSONValue {
    func outline(_ builder: SchemaBuilder, _ value: JSONValue?) -> JSONValue {
      guard let properties = builder.properties else { return value ?? .null }
      var members = value?.members ?? [:]
      for (name, property) in properties { members[name] = outline(property, members[name]) }
      return .object(members)
    }
    return outline(SchemaBuilder(json), defaults)
  }

  /// Which kinds of value the member at a path takes; empty where that is not known, or anything goes.
  package func kinds(at path: [String]) -> Set<JSONKind> {
    var place: SchemaBuilder? = SchemaBuilder(json)
    for name in path { place = place?.properties?[name] }
    return place?.kinds ?? []
  }
}

extension ParamsSchema: Hashable {
  public static func == (one: Self, other: Self) -> Bool { one.json == other.json }
  public func hash(into hasher: inout Hasher) { hasher.combine(json) }
}

extension ParamsSchema: Codable {
  public init(from decoder: any Decoder) throws {
    let json = try JSONValue(from: decoder)
    do throws(SchemaError) {
      try self.init(json)
    } catch {
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: decoder.codingPath, debugDescription: error.description,
          underlyingError: error))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    try json.encode(to: encoder)
  }
}
