/// Checks one value against a schema, and gathers what does not fit.
///
/// How much it does is bounded, in proportion to the value: a few lines of a schema can ask for more steps than there are atoms.
struct SchemaCheck {
  private enum Step {
    case member(String)
    case element(Int)
  }

  /// How deep schemas may be applied in one another.
  static let mostLevels = 400
  /// Of all defaults of a schema together.
  static let mostStepsOfDefaults = 2_000_000
  /// How much of a pattern's work counts as a step.
  private static let visitsOfStep = 16
  /// What is told of the alternatives of which none fits.
  private static let mostReasons = 3

  let program: SchemaProgram
  /// How messages call the value as a whole.
  var subject = "the params"
  /// Whether members may be missing that have to be given.
  var isPartial = false
  /// After so many steps it is given up.
  var limit: Int
  private(set) var steps = 0
  /// How many messages were written; they cost more than steps, and are few.
  private(set) var messages = 0
  /// What the defaults that were filled in cost together.
  private var added = 0
  /// About 8 MiB, as much as the largest params that can be submitted: a few bytes that are an object each get all its defaults.
  private static let mostAdded = (8 << 20) / 64
  var level = 0
  private var isGivenUp = false
  private var path: [Step] = []
  /// Whether a member's name is checked, rather than its value.
  private var isOfName = false
  private var violations: [ParamsViolation] = []
  private var more = 0
  private var most = ParamsError.mostViolations
  /// Whether it is said why an alternative does not fit.
  private var isOfAlternative = false

  init(_ program: SchemaProgram, of value: JSONValue) {
    self.program = program
    limit = 10_000 + 2 * program.weight + 100 * Self.cost(of: value)
  }

  /// - Throws: ``ParamsError`` with all that does not fit.
  mutating func run(_ value: JSONValue, by rule: Int = 0) throws(ParamsError) {
    let isFit = fits(value, rule, isTold: true)
    guard !isGivenUp else {
      throw .limit(
        "\(subject) cannot be checked: the schema asks for too many steps, or too deep ones, for a"
          + " value of this size")
    }
    if !isFit { throw ParamsError(violations, more: more) }
  }

  // MARK: Steps

  /// Of one look at everything in it.
  static func cost(of value: JSONValue) -> Int {
    switch value {
    case .null, .bool, .integer, .number: 1
    case .string(let text): cost(of: text)
    case .array(let elements): elements.reduce(1) { $0 + cost(of: $1) }
    case .object(let members): members.reduce(1) { $0 + cost(of: $1.key) + cost(of: $1.value) }
    }
  }

  private static func cost(of text: String) -> Int { 1 + text.utf8.count / 64 }

  /// - Returns: whether there is a step left.
  mutating func spend(_ count: Int) -> Bool {
    steps += count
    if steps > limit || level > Self.mostLevels { isGivenUp = true }
    return !isGivenUp
  }

  /// A default is filled in.
  ///
  /// - Returns: whether it may be.
  mutating func spend(default value: JSONValue) -> Bool {
    added += Self.cost(of: value)
    if added > Self.mostAdded { isGivenUp = true }
    return !isGivenUp
  }

  // MARK: What does not fit

  private mutating func tell(
    _ isTold: Bool, _ keyword: String, _ message: @autoclosure () -> String
  ) {
    guard isTold else { return }
    guard violations.count < most else {
      more += 1
      return
    }
    messages += 1
    violations.append(
      ParamsViolation(
        pointer: pointer, keyword: keyword, detail: "\(place) \(message())".shortened(to: 1_000)))
  }

  private mutating func tell(
    _ isTold: Bool, _ keyword: String, ofMember name: String, _ message: @autoclosure () -> String
  ) {
    guard isTold else { return }
    path.append(.member(name))
    tell(true, keyword, message())
    path.removeLast()
  }

  private var pointer: String {
    JSONPointer.text(
      path.map { step in
        switch step {
        case .member(let name): name
        case .element(let index): String(index)
        }
      })
  }

  private var place: String {
    let name = path.isEmpty ? subject : "the parameter \(pointer)".shortened(to: 400)
    return isOfName ? "the name of \(name)" : name
  }

  /// At most a few values, for messages.
  private static func list(_ values: [JSONValue]) -> String {
    values.prefix(50).map { $0.text.shortened(to: 100) }.joined(separator: ", ").shortened(to: 400)
  }

  // MARK: Rules

  /// - Parameter isTold: whether violations are gathered; without, the first one ends it.
  private mutating func fits(_ value: JSONValue, _ index: Int, isTold: Bool) -> Bool {
    let rule = program.rules[index]
    guard spend(rule.weight) else { return false }
    if rule.refusesAll {
      tell(isTold, "false schema", "must not be given")
      return false
    }
    // Of a value of another kind there is no more to be said.
    if let kinds = rule.kinds, kinds.isDisjoint(with: KindSet(of: value)) {
      tell(
        isTold, "type",
        "must be \(kinds.names.joined(separator: " or ")), not \(value.kind.rawValue)")
      return false
    }
    level += 1
    defer { level -= 1 }
    var isFit = isOneOf(rule, value, isTold)
    guard isFit || isTold else { return false }
    switch value {
    case .string(let text):
      if let own = rule.text { isFit = fits(text, own, isTold) && isFit }
    case .integer, .number:
      if let own = rule.number { isFit = fits(number: value, own, isTold) && isFit }
    case .array(let elements):
      if let own = rule.array { isFit = fits(elements, own, isTold) && isFit }
    case .object(let members):
      if let own = rule.object { isFit = fits(members, own, isTold) && isFit }
    case .null, .bool: break
    }
    guard isFit || isTold else { return false }
    if let combined = rule.combined { isFit = fits(value, combined, isTold) && isFit }
    return isFit
  }

  private mutating func isOneOf(_ rule: SchemaRule, _ value: JSONValue, _ isTold: Bool) -> Bool {
    var isFit = true
    if let choices = rule.choices {
      guard spend(Self.cost(of: value)) else { return false }
      if !choices.contains(value) {
        isFit = false
        tell(isTold, "enum", "must be one of \(Self.list(choices.values))")
      }
    }
    if let constant = rule.constant {
      guard spend(Self.cost(of: value)) else { return false }
      if !ExactValue.areEqual(value, constant) {
        isFit = false
        tell(isTold, "const", "must be \(Self.list([constant]))")
      }
    }
    return isFit
  }

  private mutating func fits(_ text: String, _ rule: TextRule, _ isTold: Bool) -> Bool {
    guard spend(text.utf8.count / 64) else { return false }
    var isFit = true
    if rule.minLength != nil || rule.maxLength != nil {
      let count = text.unicodeScalars.count
      isFit = fits(
        count, rule.minLength, rule.maxLength, "minLength", "maxLength", "character", isTold)
    }
    if let format = rule.format, !format.accepts(text) {
      isFit = false
      tell(isTold, "format", "is no text of the format \(format.rawValue)")
    }
    if let pattern = rule.pattern, !matches(text, pattern) {
      isFit = false
      tell(isTold, "pattern", "must match the pattern \(pattern.source.shortened(to: 200))")
    }
    return isFit
  }

  mutating func matches(_ text: String, _ pattern: SchemaPattern) -> Bool {
    let most = max(0, limit - steps) * Self.visitsOfStep
    var visits = most
    let isMatch = pattern.matches(text, visits: &visits)
    return spend(1 + (most - visits) / Self.visitsOfStep) && isMatch == true
  }

  private mutating func fits(
    _ count: Int, _ least: Int?, _ most: Int?, _ leastKeyword: String, _ mostKeyword: String,
    _ unit: String, _ isTold: Bool
  ) -> Bool {
    func units(_ count: Int) -> String { "\(count) \(unit)\(count == 1 ? "" : "s")" }
    if let least, count < least, !(isPartial && leastKeyword == "minProperties") {
      tell(isTold, leastKeyword, "must have at least \(units(least)), not \(count)")
      return false
    }
    if let most, count > most {
      tell(isTold, mostKeyword, "must have at most \(units(most)), not \(count)")
      return false
    }
    return true
  }

  private mutating func fits(number: JSONValue, _ rule: NumberRule, _ isTold: Bool) -> Bool {
    var isFit = true
    if let bound = rule.minimum, ExactNumber.compare(number, bound) == .less {
      isFit = false
      tell(isTold, "minimum", "must be at least \(bound.text), not \(number.text)")
    }
    if let bound = rule.exclusiveMinimum, ExactNumber.compare(number, bound) != .more {
      isFit = false
      tell(isTold, "exclusiveMinimum", "must be more than \(bound.text), not \(number.text)")
    }
    if let bound = rule.maximum, ExactNumber.compare(number, bound) == .more {
      isFit = false
      tell(isTold, "maximum", "must be at most \(bound.text), not \(number.text)")
    }
    if let bound = rule.exclusiveMaximum, ExactNumber.compare(number, bound) != .less {
      isFit = false
      tell(isTold, "exclusiveMaximum", "must be less than \(bound.text), not \(number.text)")
    }
    if let divisor = rule.multipleOf, !ExactNumber.isMultiple(number, of: divisor) {
      isFit = false
      tell(isTold, "multipleOf", "must be a multiple of \(divisor.text), not \(number.text)")
    }
    return isFit
  }

  // MARK: Arrays

  private mutating func fits(_ elements: [JSONValue], _ rule: ArrayRule, _ isTold: Bool) -> Bool {
    var isFit = fits(
      elements.count, rule.minItems, rule.maxItems, "minItems", "maxItems", "element", isTold)
    guard isFit || isTold else { return false }
    for (index, element) in elements.enumerated() {
      let own = index < rule.prefix.count ? rule.prefix[index] : rule.items
      guard let own else { break }
      path.append(.element(index))
      isFit = fits(element, own, isTold: isTold) && isFit
      path.removeLast()
      guard !isGivenUp, isFit || isTold else { return false }
    }
    if rule.isUnique { isFit = isUnique(elements, isTold) && isFit }
    if rule.contains != nil { isFit = contains(elements, rule, isTold) && isFit }
    return isFit
  }

  private mutating func isUnique(_ elements: [JSONValue], _ isTold: Bool) -> Bool {
    guard spend(elements.reduce(0) { $0 + Self.cost(of: $1) }) else { return false }
    var seen: [ExactValue: Int] = [:]
    for (index, element) in elements.enumerated() {
      if let first = seen.updateValue(index, forKey: ExactValue(element)) {
        tell(
          isTold, "uniqueItems",
          "must not have an element twice, as at \(first) and \(index)")
        return false
      }
    }
    return true
  }

  private mutating func contains(
    _ elements: [JSONValue], _ rule: ArrayRule, _ isTold: Bool
  ) -> Bool {
    guard let wanted = rule.contains else { return true }
    let least = rule.minContains ?? 1
    var count = 0
    for element in elements where fits(element, wanted, isTold: false) { count += 1 }
    guard !isGivenUp else { return false }
    func units(_ count: Int) -> String { count == 1 ? "1 element" : "\(count) elements" }
    if count < least {
      tell(
        isTold, rule.minContains == nil ? "contains" : "minContains",
        "must have at least \(units(least)) of the kind that `contains` describes, not \(count)")
      return false
    }
    if let most = rule.maxContains, count > most {
      tell(
        isTold, "maxContains",
        "must have at most \(units(most)) of the kind that `contains` describes, not \(count)")
      return false
    }
    return true
  }

  // MARK: Objects

  private mutating func fits(
    _ members: [String: JSONValue], _ rule: ObjectRule, _ isTold: Bool
  ) -> Bool {
    var isFit = fits(
      members.count, rule.minProperties, rule.maxProperties, "minProperties", "maxProperties",
      "member", isTold)
    guard isFit || isTold else { return false }
    isFit = othersFit(members, rule, isTold) && isFit
    guard !isGivenUp, isFit || isTold else { return false }
    for member in rule.members {
      if let value = members[member.name] {
        guard let own = member.rule else { continue }
        path.append(.member(member.name))
        isFit = fits(value, own, isTold: isTold) && isFit
        path.removeLast()
      } else if member.isRequired, !isPartial {
        isFit = false
        let kinds = member.rule.flatMap { program.rules[$0].kinds }
        let names = kinds.map { " (\($0.names.joined(separator: " or ")))" } ?? ""
        tell(
          isTold, "required", ofMember: member.name,
          "is missing; this parameter\(names) has to be given")
      }
      guard !isGivenUp, isFit || isTold else { return false }
    }
    if !isPartial {
      for (name, others) in rule.dependentRequired where members[name] != nil {
        for other in others where members[other] == nil {
          isFit = false
          tell(
            isTold, "dependentRequired", ofMember: other,
            "is missing; it has to be given where \(name.shortened(to: 200)) is")
        }
      }
    }
    return isFit
  }

  /// The names of members, and those that are not known by name.
  private mutating func othersFit(
    _ members: [String: JSONValue], _ rule: ObjectRule, _ isTold: Bool
  ) -> Bool {
    let named =
      rule.known.isEmpty
      ? 0
      : rule.members.count {
        $0.rule != nil && members[$0.name] != nil
      }
    let hasOthers = named < members.count && rule.additional != nil
    guard rule.names != nil || !rule.patterns.isEmpty || hasOthers else { return true }
    guard spend(members.count) else { return false }
    var isFit = true
    // In order where it matters: what is told is.
    for name in isTold ? members.keys.sorted() : Array(members.keys) {
      guard let value = members[name] else { continue }
      path.append(.member(name))
      defer { path.removeLast() }
      if let names = rule.names {
        isOfName = true
        isFit = fits(.string(name), names, isTold: isTold) && isFit
        isOfName = false
      }
      var isKnown = rule.known[name] != nil
      for (pattern, own) in rule.patterns where matches(name, pattern) {
        isKnown = true
        isFit = fits(value, own, isTold: isTold) && isFit
      }
      if !isKnown, let additional = rule.additional {
        if program.rules[additional].refusesAll {
          isFit = false
          tell(isTold, "additionalProperties", rule.unknownMember)
        } else {
          isFit = fits(value, additional, isTold: isTold) && isFit
        }
      }
      guard !isGivenUp, isFit || isTold else { return false }
    }
    return isFit
  }

  // MARK: Rules of rules

  private mutating func fits(_ value: JSONValue, _ rule: CombinedRule, _ isTold: Bool) -> Bool {
    var isFit = true
    if let reference = rule.reference { isFit = fits(value, reference, isTold: isTold) }
    for own in rule.all {
      guard isFit || isTold else { return false }
      isFit = fits(value, own, isTold: isTold) && isFit
    }
    guard !isPartial else { return isFit }
    guard isFit || isTold else { return false }
    if !rule.any.isEmpty, !rule.any.contains(where: { fits(value, $0, isTold: false) }) {
      isFit = false
      tellNone(of: rule.any, value, "anyOf", isTold)
    }
    if !rule.one.isEmpty { isFit = fitsOne(of: rule.one, value, isTold) && isFit }
    guard isFit || isTold else { return false }
    if let not = rule.not, fits(value, not, isTold: false) {
      isFit = false
      tell(isTold, "not", "must not be what the schema's `not` describes")
    }
    if let condition = rule.condition {
      let next = fits(value, condition, isTold: false) ? rule.then : rule.otherwise
      if let next { isFit = fits(value, next, isTold: isTold) && isFit }
    }
    if let members = value.members {
      for (name, own) in rule.dependent where members[name] != nil {
        isFit = fits(value, own, isTold: isTold) && isFit
      }
    }
    return isFit
  }

  private mutating func fitsOne(of rules: [Int], _ value: JSONValue, _ isTold: Bool) -> Bool {
    var fitting: [Int] = []
    for (index, rule) in rules.enumerated() where fits(value, rule, isTold: false) {
      fitting.append(index)
      if fitting.count == 2 { break }
    }
    switch fitting.count {
    case 0:
      tellNone(of: rules, value, "oneOf", isTold)
      return false
    case 1:
      return true
    default:
      tell(
        isTold, "oneOf",
        "must fit exactly one of the \(rules.count) alternatives of `oneOf`, and fits several:"
          + " \(fitting.map { "no. \($0 + 1)" }.joined(separator: " and "))")
      return false
    }
  }

  /// Says of the first few alternatives why they do not fit; of one alone where that is itself such a reason, which would be as many
  /// times longer at each level.
  private mutating func tellNone(
    of rules: [Int], _ value: JSONValue, _ keyword: String, _ isTold: Bool
  ) {
    guard isTold, !isGivenUp else { return }
    // It would not be told.
    guard violations.count < most else {
      more += 1
      return
    }
    let outer = (violations, more, most, isOfAlternative)
    var reasons: [String] = []
    for rule in rules.prefix(isOfAlternative ? 1 : Self.mostReasons) {
      (violations, more, most, isOfAlternative) = ([], 0, 1, true)
      _ = fits(value, rule, isTold: true)
      if let reason = violations.first { reasons.append(reason.detail.shortened(to: 250)) }
    }
    (violations, more, most, isOfAlternative) = outer
    if rules.count > reasons.count { reasons.append("…") }
    tell(
      true, keyword,
      "must fit one of the \(rules.count) alternatives of `\(keyword)`, and fits none: "
        + reasons.joined(separator: "; or "))
  }
}

extension ObjectRule {
  /// What is said of a member that there is not.
  fileprivate var unknownMember: String {
    let names = known.keys.sorted().prefix(100).map { $0.shortened(to: 100) }
    return "is no parameter of this job type; "
      + names.listedAsKnown(orElse: "it takes none").shortened(to: 400)
  }
}
