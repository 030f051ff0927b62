/// Reads a schema, and gathers what is wrong with it.
struct SchemaReader {
  /// A rule that something was noted for, and where its schema stands.
  struct Place {
    let rule: Int
    let pointer: String
  }

  /// How deeply a schema may be nested: what is derived from params nests twice as deeply as they do.
  static let mostLevels = 2 * JSONValue.maxDepth
  /// How many schemas may be in one.
  static let mostRules = 20_000
  /// How many schemas may apply to one value by way of one another.
  static let mostInOneChain = 64

  private var problems: [SchemaError.Problem] = []
  private var moreProblems = 0
  private var rules: [SchemaRule] = []
  /// Where the reader is.
  private var path: [String] = []
  private var targets = ReferenceTargets()
  private var references: [(place: Place, target: Int)] = []
  private(set) var defaults: [Place] = []
  private let isBounded: Bool

  /// - Parameter isBounded: whether it is given by somebody, rather than derived.
  init(_ json: JSONValue, isBounded: Bool) {
    self.isBounded = isBounded
    targets.collect(in: json)
  }

  mutating func rules(of json: JSONValue) -> [SchemaRule] {
    guard !isBounded || json.isNested(atMost: Self.mostLevels) else {
      note(nil, "it is nested more than \(Self.mostLevels) levels deep")
      return []
    }
    _ = read(json, target: targets.root)
    for reference in references {
      guard let rule = targets.rule(of: reference.target) else {
        problem(reference.place.pointer, "$ref", "there is no schema where it points to")
        continue
      }
      rules[reference.place.rule].combined?.reference = rule
    }
    checkChains()
    return rules
  }

  func check() throws(SchemaError) {
    if !problems.isEmpty { throw SchemaError(problems, more: moreProblems) }
  }

  // MARK: Schemas

  /// - Parameter target: where this is in ``targets``, if references point to it or below.
  private mutating func read(_ json: JSONValue, target: Int?) -> Int {
    let index = rules.count
    rules.append(SchemaRule())
    if let target { targets.found(index, at: target) }
    guard !isBounded || index < Self.mostRules else {
      if index == Self.mostRules { note(nil, "it has more than \(Self.mostRules) schemas in it") }
      return index
    }
    switch json {
    case .bool(let accepts):
      rules[index].refusesAll = !accepts
    case .object(let members):
      var schema = Schema(index: index, target: target)
      for name in members.keys.sorted() {
        guard let value = members[name] else { continue }
        path.append(name)
        read(name, value, &schema)
        path.removeLast()
      }
      rules[index] = schema.finished()
    default:
      note(nil, "a schema is an object, true or false, not \(json.kind.rawValue)")
    }
    return index
  }

  private mutating func read(_ keyword: String, _ value: JSONValue, _ schema: inout Schema) {
    switch keyword {
    case "type": schema.rule.kinds = kinds(value)
    case "enum":
      if let values = list(value) { schema.rule.choices = SchemaChoices(values) }
    case "const": schema.rule.constant = value
    case "default":
      schema.rule.defaultValue = value
      if isBounded { defaults.append(place(schema.index)) }

    case "minLength": schema.text.minLength = count(value)
    case "maxLength": schema.text.maxLength = count(value)
    case "format": schema.text.format = text(value).flatMap { ParamsFormat(rawValue: $0) }
    case "pattern": schema.text.pattern = text(value).flatMap { pattern($0) }

    case "minimum": schema.number.minimum = number(value)
    case "maximum": schema.number.maximum = number(value)
    case "exclusiveMinimum": schema.number.exclusiveMinimum = number(value)
    case "exclusiveMaximum": schema.number.exclusiveMaximum = number(value)
    case "multipleOf":
      schema.number.multipleOf = number(value)
      if let number = schema.number.multipleOf, ExactNumber.compare(number, 0) != .more {
        note(keyword, "must be more than 0, not \(number.text)")
      }

    case "prefixItems": schema.array.prefix = schemas(value, schema.target)
    case "items": schema.array.items = read(value, target: step(schema.target, keyword))
    case "contains": schema.array.contains = read(value, target: step(schema.target, keyword))
    case "minContains": schema.array.minContains = count(value)
    case "maxContains": schema.array.maxContains = count(value)
    case "minItems": schema.array.minItems = count(value)
    case "maxItems": schema.array.maxItems = count(value)
    case "uniqueItems": schema.array.isUnique = flag(value) ?? false

    case "properties":
      schema.object.known = Dictionary(named(value, schema.target)) { first, _ in first }
    case "required": schema.required = texts(value)
    case "additionalProperties":
      schema.object.additional = read(value, target: step(schema.target, keyword))
    case "patternProperties":
      schema.object.patterns = named(value, schema.target).compactMap { name, rule in
        path.append(name)
        defer { path.removeLast() }
        return pattern(name).map { (pattern: $0, rule: rule) }
      }
    case "propertyNames":
      schema.object.names = read(value, target: step(schema.target, keyword))
    case "minProperties": schema.object.minProperties = count(value)
    case "maxProperties": schema.object.maxProperties = count(value)
    case "dependentRequired":
      schema.object.dependentRequired = members(value).map { name, names in
        path.append(name)
        defer { path.removeLast() }
        return (name: name, required: texts(names, of: keyword))
      }

    case "allOf": schema.combined.all = schemas(value, schema.target)
    case "anyOf": schema.combined.any = schemas(value, schema.target)
    case "oneOf": schema.combined.one = schemas(value, schema.target)
    case "not": schema.combined.not = read(value, target: step(schema.target, keyword))
    case "if": schema.combined.condition = read(value, target: step(schema.target, keyword))
    case "then": schema.combined.then = read(value, target: step(schema.target, keyword))
    case "else": schema.combined.otherwise = read(value, target: step(schema.target, keyword))
    case "dependentSchemas":
      schema.combined.dependent = named(value, schema.target).map { (name: $0, rule: $1) }
    case "$ref":
      guard let reference = text(value) else { return }
      guard let target = targets.target(of: reference) else {
        return note(
          keyword,
          "must point into this schema, as in #/$defs/NAME, not '\(reference.shortened(to: 100))'")
      }
      schema.combined.reference = nil
      references.append((place(schema.index), target))
    case "$defs": _ = named(value, schema.target)

    case "$schema":
      guard path.count == 1, text(value) == Self.dialect else {
        return note(keyword, "must be \(Self.dialect), at the top of the schema")
      }
    case "title", "description", "$comment": _ = text(value)
    case "deprecated", "readOnly", "writeOnly": _ = flag(value)
    case "examples": _ = list(value)
    default:
      note(
        keyword,
        "is no keyword that is supported; supported are \(Self.keywords.joined(separator: ", "))")
    }
  }

  private static let dialect = "https://json-schema.org/draft/2020-12/schema"

  /// All that are supported.
  static let keywords = [
    "$comment", "$defs", "$ref", "$schema", "additionalProperties", "allOf", "anyOf", "const",
    "contains", "default", "dependentRequired", "dependentSchemas", "deprecated", "description",
    "else", "enum", "examples", "exclusiveMaximum", "exclusiveMinimum", "format", "if", "items",
    "maxContains", "maxItems", "maxLength", "maxProperties", "maximum", "minContains", "minItems",
    "minLength", "minProperties", "minimum", "multipleOf", "not", "oneOf", "pattern",
    "patternProperties", "prefixItems", "properties", "propertyNames", "readOnly", "required",
    "then", "title", "type", "uniqueItems", "writeOnly",
  ]

  private mutating func schemas(_ value: JSONValue, _ target: Int?) -> [Int] {
    guard let values = list(value) else { return [] }
    if values.isEmpty { note(path.last, "must not be empty") }
    let target = step(target, path.last)
    return values.indices.map { index in
      path.append(String(index))
      defer { path.removeLast() }
      return read(values[index], target: step(target, String(index)))
    }
  }

  private mutating func named(_ value: JSONValue, _ target: Int?) -> [(String, Int)] {
    let target = step(target, path.last)
    return members(value).map { name, value in
      path.append(name)
      defer { path.removeLast() }
      return (name, read(value, target: step(target, name)))
    }
  }

  private func step(_ target: Int?, _ name: String?) -> Int? {
    guard let target, let name else { return nil }
    return targets.step(from: target, name)
  }

  // MARK: Values

  private mutating func kinds(_ value: JSONValue) -> KindSet? {
    let names = if case .array(let names) = value { names } else { [value] }
    var kinds: [JSONKind] = []
    for name in names {
      guard case .string(let text) = name, let kind = JSONKind(rawValue: text),
        !kinds.contains(kind)
      else {
        note(
          "type",
          "must be array, boolean, integer, null, number, object or string, or a list of some of"
            + " them, not \(value.text.shortened(to: 100))")
        return nil
      }
      kinds.append(kind)
    }
    if kinds.isEmpty { note("type", "must not be empty") }
    return KindSet(kinds)
  }

  private mutating func count(_ value: JSONValue) -> Int? {
    switch value {
    case .integer(let count) where count >= 0: return Int(count)
    case .number(let count) where count >= 0 && count.rounded() == count:
      return Int(exactly: count) ?? .max
    default:
      note(path.last, "must be an integer from 0 up, not \(shown(value))")
      return nil
    }
  }

  private mutating func number(_ value: JSONValue) -> JSONValue? {
    switch value {
    case .integer, .number: return value
    default:
      note(path.last, "must be a number, not \(shown(value))")
      return nil
    }
  }

  private mutating func text(_ value: JSONValue) -> String? {
    if case .string(let text) = value { return text }
    note(path.last, "must be a text, not \(shown(value))")
    return nil
  }

  private mutating func flag(_ value: JSONValue) -> Bool? {
    if case .bool(let flag) = value { return flag }
    note(path.last, "must be true or false, not \(shown(value))")
    return nil
  }

  private mutating func list(_ value: JSONValue) -> [JSONValue]? {
    if case .array(let values) = value { return values }
    note(path.last, "must be a list, not \(shown(value))")
    return nil
  }

  private mutating func members(_ value: JSONValue) -> [(String, JSONValue)] {
    if let members = value.members { return members.sorted { $0.key < $1.key } }
    note(path.last, "must be an object, not \(shown(value))")
    return []
  }

  /// Names, each once.
  private mutating func texts(_ value: JSONValue, of keyword: String = "required") -> [String] {
    let values = if case .array(let values) = value { values } else { [JSONValue.null] }
    var texts: Set<String> = []
    for case .string(let text) in values { texts.insert(text) }
    guard texts.count == values.count else {
      note(keyword, "must be a list of names, each once, not \(shown(value))")
      return []
    }
    return texts.sorted()
  }

  private mutating func pattern(_ source: String) -> SchemaPattern? {
    do throws(SchemaPatternError) {
      return try SchemaPattern(source)
    } catch {
      note("pattern", "'\(source.shortened(to: 100))' is no pattern that is supported: \(error)")
      return nil
    }
  }

  private func shown(_ value: JSONValue) -> String {
    switch value {
    case .array, .object: value.kind.rawValue
    default: value.text.shortened(to: 100)
    }
  }

  // MARK: Problems

  private mutating func note(_ keyword: String?, _ message: String) {
    guard problems.count < SchemaError.mostProblems else {
      moreProblems += 1
      return
    }
    problem(place(0).pointer, keyword, message)
  }

  private mutating func problem(_ pointer: String, _ keyword: String?, _ message: String) {
    guard problems.count < SchemaError.mostProblems else {
      moreProblems += 1
      return
    }
    problems.append(.init(pointer, keyword: keyword, message))
  }

  private func place(_ rule: Int) -> Place {
    Place(rule: rule, pointer: JSONPointer.text(path))
  }

  /// A schema that applies itself to the same value once more would go on for ever.
  private mutating func checkChains() {
    // How many rules are in the longest chain from each; 0 while that is being found out.
    var lengths: [Int: Int] = [:]
    for start in rules.indices where lengths[start] == nil {
      var stack = [start]
      while let rule = stack.last {
        let next = rules[rule].combined?.rules ?? []
        guard lengths[rule] != nil else {
          lengths[rule] = 0
          if next.contains(where: { lengths[$0] == 0 }) {
            return problem(
              references.first { $0.place.rule == rule || next.contains($0.place.rule) }?.place
                .pointer ?? "", "$ref",
              "leads back to itself without a step into the value, so that checking would never end"
            )
          }
          stack += next.filter { lengths[$0] == nil }
          continue
        }
        stack.removeLast()
        if lengths[rule] == 0 { lengths[rule] = 1 + (next.map { lengths[$0] ?? 0 }.max() ?? 0) }
      }
    }
    if isBounded, lengths.values.contains(where: { $0 > Self.mostInOneChain }) {
      problem(
        "", nil, "more than \(Self.mostInOneChain) schemas apply to one value by way of one another"
      )
    }
  }
}

/// The parts of a schema as they are read: what is not there is not made.
private struct Schema {
  let index: Int
  let target: Int?
  var rule = SchemaRule()
  var required: [String] = []

  var text: TextRule {
    get { rule.text ?? TextRule() }
    set { rule.text = newValue }
  }
  var number: NumberRule {
    get { rule.number ?? NumberRule() }
    set { rule.number = newValue }
  }
  var array: ArrayRule {
    get { rule.array ?? ArrayRule() }
    set { rule.array = newValue }
  }
  var object: ObjectRule {
    get { rule.object ?? ObjectRule() }
    set { rule.object = newValue }
  }
  var combined: CombinedRule {
    get { rule.combined ?? CombinedRule() }
    set { rule.combined = newValue }
  }

  func finished() -> SchemaRule {
    var rule = rule
    if !required.isEmpty || rule.object != nil {
      var object = rule.object ?? ObjectRule()
      let needed = Set(required)
      object.members = needed.union(object.known.keys).sorted().map { name in
        .init(name: name, rule: object.known[name], isRequired: needed.contains(name))
      }
      let dependent = object.dependentRequired.reduce(0) { $0 + 1 + $1.required.count }
      rule.weight += (object.members.count + dependent) / 4
      rule.object = object
    }
    rule.weight += (rule.combined?.dependent.count ?? 0) / 4
    return rule
  }
}
