// Filling in what is left out. What was not given is taken as its default says, and gets nothing more: where a schema contains
// itself, that would have no end. Whether something was given is looked up in the value as it came, whichever schemas have filled
// it in meanwhile.
extension SchemaCheck {
  /// The value with the defaults of what is left out, where the schema always applies.
  ///
  /// - Returns: `nil` where nothing is left out.
  mutating func filled(_ value: JSONValue) -> JSONValue? {
    guard program.hasDefaults else { return nil }
    var filled = value
    var isChanged = false
    if let whole = program.rules.first?.defaultValue {
      isChanged = fill(&filled, given: value, from: whole)
    }
    isChanged = fill(&filled, given: value, by: 0) || isChanged
    return isChanged ? filled : nil
  }

  /// From the defaults of the params as a whole.
  private mutating func fill(
    _ value: inout JSONValue, given: JSONValue, from defaults: JSONValue
  ) -> Bool {
    guard let defaults = defaults.members, let known = given.members, var members = value.members,
      spend(defaults.count)
    else { return false }
    var isChanged = false
    for (name, own) in defaults {
      guard let member = known[name] else {
        guard spend(default: own) else { break }
        members[name] = own
        isChanged = true
        continue
      }
      isChanged =
        change(&members, name) { check, value in check.fill(&value, given: member, from: own) }
        || isChanged
    }
    if isChanged { value = .object(members) }
    return isChanged
  }

  private mutating func fill(_ value: inout JSONValue, given: JSONValue, by index: Int) -> Bool {
    let rule = program.rules[index]
    guard spend(rule.weight) else { return false }
    level += 1
    defer { level -= 1 }
    var isChanged = false
    switch given {
    case .object(let given): if let own = rule.object { isChanged = fill(&value, given, own) }
    case .array(let given): if let own = rule.array { isChanged = fill(&value, given, own) }
    case .null, .bool, .integer, .number, .string: return false
    }
    guard let combined = rule.combined else { return isChanged }
    if let reference = combined.reference {
      isChanged = fill(&value, given: given, by: reference) || isChanged
    }
    for own in combined.all { isChanged = fill(&value, given: given, by: own) || isChanged }
    return isChanged
  }

  private mutating func fill(
    _ value: inout JSONValue, _ given: [String: JSONValue], _ rule: ObjectRule
  ) -> Bool {
    guard var members = value.members else { return false }
    var isChanged = false
    for member in rule.members {
      guard let own = member.rule else { continue }
      if let known = given[member.name] {
        isChanged = fill(&members, member.name, known, by: own) || isChanged
      } else if members[member.name] == nil, let value = program.rules[own].defaultValue,
        spend(default: value)
      {
        members[member.name] = value
        isChanged = true
      }
    }
    if rule.additional != nil || !rule.patterns.isEmpty {
      for (name, known) in given {
        var isKnown = rule.known[name] != nil
        for (pattern, own) in rule.patterns where matches(name, pattern) {
          isKnown = true
          isChanged = fill(&members, name, known, by: own) || isChanged
        }
        if !isKnown, let additional = rule.additional {
          isChanged = fill(&members, name, known, by: additional) || isChanged
        }
      }
    }
    if isChanged { value = .object(members) }
    return isChanged
  }

  private mutating func fill(
    _ value: inout JSONValue, _ given: [JSONValue], _ rule: ArrayRule
  ) -> Bool {
    guard rule.items != nil || !rule.prefix.isEmpty, case .array(var elements) = value else {
      return false
    }
    var isChanged = false
    for (place, known) in given.enumerated() where elements.indices.contains(place) {
      let own = place < rule.prefix.count ? rule.prefix[place] : rule.items
      guard let own else { break }
      // A plain value has nothing to be filled in.
      guard known.kind == .object || known.kind == .array else { continue }
      isChanged = fill(&elements[place], given: known, by: own) || isChanged
    }
    if isChanged { value = .array(elements) }
    return isChanged
  }

  private mutating func fill(
    _ members: inout [String: JSONValue], _ name: String, _ known: JSONValue, by index: Int
  ) -> Bool {
    guard known.kind == .object || known.kind == .array else { return false }
    return change(&members, name) { check, value in check.fill(&value, given: known, by: index) }
  }

  private mutating func change(
    _ members: inout [String: JSONValue], _ name: String,
    _ body: (inout SchemaCheck, inout JSONValue) -> Bool
  ) -> Bool {
    guard var value = members[name], body(&self, &value) else { return false }
    members[name] = value
    return true
  }
}
