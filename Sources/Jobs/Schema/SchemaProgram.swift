/// A schema in the form in which values are checked: each of its schemas is a rule, and rules name each other by their places in one
/// list. It is made once for a job type, not once for a job.
final class SchemaProgram: Sendable {
  let rules: [SchemaRule]
  /// How much of it there is: what checking a value may cost at least.
  let weight: Int
  let hasDefaults: Bool

  /// - Throws: ``SchemaError`` with all that is wrong with the schema.
  convenience init(reading json: JSONValue) throws(SchemaError) {
    var reader = SchemaReader(json, isBounded: true)
    let rules = reader.rules(of: json)
    try reader.check()
    self.init(rules)
    try checkDefaults(reader.defaults)
  }

  /// Of a schema that is right by the way it was made.
  convenience init(derived json: JSONValue) {
    var reader = SchemaReader(json, isBounded: false)
    self.init(reader.rules(of: json))
    assert((try? reader.check()) != nil, "a derived schema is right")
  }

  private init(_ rules: [SchemaRule]) {
    self.rules = rules
    weight = rules.reduce(0) { $0 + $1.weight }
    hasDefaults = rules.contains { $0.defaultValue != nil }
  }

  /// A default that does not fit would refuse each job that makes use of it.
  private func checkDefaults(_ defaults: [SchemaReader.Place]) throws(SchemaError) {
    var problems: [SchemaError.Problem] = []
    // All together, since each costs something and there may be many.
    var budget = SchemaCheck.mostStepsOfDefaults
    for place in defaults {
      guard let value = rules[place.rule].defaultValue else { continue }
      var check = SchemaCheck(self, of: value)
      check.limit = min(check.limit, budget)
      check.subject = "it"
      // Those of the params as a whole may leave to the job what has to be given.
      check.isPartial = place.rule == 0
      do throws(ParamsError) {
        try check.run(value, by: place.rule)
      } catch {
        problems.append(.init(place.pointer, keyword: "default", "does not fit: \(error)"))
      }
      budget -= check.steps
    }
    if !problems.isEmpty { throw SchemaError(problems) }
  }
}

/// What one schema says of one value.
struct SchemaRule: Sendable {
  /// The schema `false`.
  var refusesAll = false
  var kinds: KindSet?
  var choices: SchemaChoices?
  var constant: JSONValue?
  var defaultValue: JSONValue?

  var text: TextRule?
  var number: NumberRule?
  var array: ArrayRule?
  var object: ObjectRule?
  var combined: CombinedRule?

  /// What looking at it costs, whatever it is applied to.
  var weight = 1
}

struct TextRule: Sendable {
  var minLength: Int?
  var maxLength: Int?
  var format: ParamsFormat?
  var pattern: SchemaPattern?
}

struct NumberRule: Sendable {
  var minimum: JSONValue?
  var maximum: JSONValue?
  var exclusiveMinimum: JSONValue?
  var exclusiveMaximum: JSONValue?
  var multipleOf: JSONValue?
}

struct ArrayRule: Sendable {
  var prefix: [Int] = []
  var items: Int?
  var contains: Int?
  var minContains: Int?
  var maxContains: Int?
  var minItems: Int?
  var maxItems: Int?
  var isUnique = false
}

struct ObjectRule: Sendable {
  struct Member: Sendable {
    let name: String
    /// `nil` where it is only required.
    var rule: Int?
    var isRequired = false
  }

  /// Those that are known by name or required, by name.
  var members: [Member] = []
  /// The known ones.
  var known: [String: Int] = [:]
  var patterns: [(pattern: SchemaPattern, rule: Int)] = []
  var additional: Int?
  var names: Int?
  var minProperties: Int?
  var maxProperties: Int?
  var dependentRequired: [(name: String, required: [String])] = []
}

/// What applies to the same value besides.
struct CombinedRule: Sendable {
  var reference: Int?
  var all: [Int] = []
  var any: [Int] = []
  var one: [Int] = []
  var not: Int?
  var condition: Int?
  var then: Int?
  var otherwise: Int?
  var dependent: [(name: String, rule: Int)] = []

  var rules: [Int] {
    [reference, not, condition, then, otherwise].compactMap(\.self) + all + any + one
      + dependent.map(\.rule)
  }
}

/// Some of the kinds of value that there are. A number without a fraction is an integer, however it is written.
struct KindSet: OptionSet, Sendable {
  let rawValue: UInt8

  init(rawValue: UInt8) { self.rawValue = rawValue }

  /// That accept a value of one of these.
  init(_ kinds: some Sequence<JSONKind>) {
    self = kinds.reduce(into: []) { set, kind in
      set.insert(Self(only: kind))
      if kind == .number { set.insert(Self(only: .integer)) }
    }
  }

  /// The one that a value is of.
  init(of value: JSONValue) {
    if case .number(let number) = value, number.rounded(.towardZero) == number {
      self.init(only: .integer)
    } else {
      self.init(only: value.kind)
    }
  }

  private init(only kind: JSONKind) {
    let bit: UInt8 =
      switch kind {
      case .null: 0
      case .boolean: 1
      case .integer: 2
      case .number: 3
      case .string: 4
      case .array: 5
      case .object: 6
      }
    self.init(rawValue: 1 << bit)
  }

  /// For messages: an integer is not named beside a number.
  var names: [String] {
    let all: [JSONKind] = [.null, .boolean, .number, .string, .array, .object]
    var kinds = all.filter { contains(Self(only: $0)) }
    if contains(Self(only: .integer)), !kinds.contains(.number) { kinds.append(.integer) }
    return kinds.map(\.rawValue).sorted()
  }
}

/// The values of an `enum`: few are looked through, many are looked up.
struct SchemaChoices: Sendable {
  let values: [JSONValue]
  private let lookup: Set<ExactValue>?

  init(_ values: [JSONValue]) {
    self.values = values
    lookup = values.count > 8 ? Set(values.map { ExactValue($0) }) : nil
  }

  func contains(_ value: JSONValue) -> Bool {
    lookup?.contains(ExactValue(value)) ?? values.contains { ExactValue.areEqual($0, value) }
  }
}
