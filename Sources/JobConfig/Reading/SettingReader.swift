/// Reads settings from the file and from the environment, which has the last word, and gathers what is wrong.
///
/// A reading function answers `nil` when the setting is not there or is wrong; in the second case the problem is noted,
/// and reading goes on, so that all problems are found in one go.
struct SettingReader {
  let file: String
  let environment: [String: String]
  private(set) var problems: [ConfigurationProblem] = []
  private(set) var warnings: [ConfigurationProblem] = []
  /// The variables that could have overridden what was read so far.
  private(set) var variables: Set<String> = []

  init(file: String, environment: [String: String]) {
    self.file = file
    self.environment = environment
  }

  mutating func note(_ place: ConfigurationProblem.Place, _ key: String?, _ message: String) {
    problems.append(ConfigurationProblem(place: place, key: key, message: message))
  }

  mutating func note(at node: SettingNode, _ key: String?, _ message: String) {
    note(.file(file, line: node.line, column: node.column), key, message)
  }

  mutating func warn(_ section: SettingSection, _ name: String, _ message: String) {
    warnings.append(
      ConfigurationProblem(
        place: section.place(in: file, of: name), key: section.key(name), message: message))
  }

  /// Notes a problem of a setting where its value comes from.
  mutating func note(_ section: SettingSection, _ name: String, _ message: String) {
    if let variable = section.variable(name), environment[variable] != nil {
      note(.environment(variable: variable), section.key(name), message)
    } else {
      note(section.place(in: file, of: name), section.key(name), message)
    }
  }

  /// A map of settings. Its unknown keys are noted.
  ///
  /// - Parameters:
  ///   - node: `nil` or null where the file has none.
  ///   - variable: what its settings' variables start with; `nil` where the environment overrides nothing.
  ///   - known: the keys that there are; `nil` where they are free.
  mutating func section(
    _ node: SettingNode?, key: String, variable: String?, known: [String]?
  ) -> SettingSection {
    var members: [SettingNode.Member] = []
    if let node, !node.isNull {
      if case .map(let given) = node.content {
        members = given
      } else {
        note(at: node, key, "must be a map, not \(node.shown)")
      }
    }
    let section = SettingSection(
      key: key, variable: variable, members: members, line: node?.line, column: node?.column)
    if let known {
      for member in members where !known.contains(member.name) {
        note(
          .file(file, line: member.line, column: member.column),
          section.key(String(member.name.prefix(100))),
          "there is no such key; \(Spelling.hint(for: member.name, among: known))")
      }
    }
    return section
  }

  /// Whether the file or the environment has a setting.
  mutating func has(_ section: SettingSection, _ name: String) -> Bool {
    override(section, name) != nil || section[name].map { !$0.isNull } ?? false
  }

  /// A scalar's text, by whoever has the last word.
  ///
  /// - Parameter rule: what it must be, for messages: "a text".
  mutating func text(_ section: SettingSection, _ name: String, _ rule: String) -> String? {
    if let text = override(section, name) { return text }
    guard let node = section[name], !node.isNull else { return nil }
    guard case .scalar(let scalar) = node.content else {
      note(section, name, "must be \(rule), not \(node.shown)")
      return nil
    }
    return scalar.text
  }

  /// A text that is not empty.
  mutating func string(_ section: SettingSection, _ name: String, _ rule: String) -> String? {
    guard let text = text(section, name, rule) else { return nil }
    guard !text.isEmpty else {
      note(section, name, "must be \(rule), not empty")
      return nil
    }
    return text
  }

  mutating func integer(
    _ section: SettingSection, _ name: String, in range: ClosedRange<Int>
  ) -> Int? {
    let rule = "an integer from \(range.lowerBound) to \(range.upperBound)"
    return value(section, name, rule) { Int($0).flatMap { range.contains($0) ? $0 : nil } }
  }

  mutating func number(
    _ section: SettingSection, _ name: String, in range: ClosedRange<Double>
  ) -> Double? {
    let rule = "a number from \(range.lowerBound) to \(range.upperBound)"
    return value(section, name, rule) { Double($0).flatMap { range.contains($0) ? $0 : nil } }
  }

  mutating func flag(_ section: SettingSection, _ name: String) -> Bool? {
    value(section, name, "true or false") { Bool($0.lowercased()) }
  }

  /// One of the raw values of an enumeration.
  mutating func choice<Value: RawRepresentable & CaseIterable>(
    _ section: SettingSection, _ name: String, of type: Value.Type = Value.self
  ) -> Value? where Value.RawValue == String {
    let names = Value.allCases.map(\.rawValue)
    return value(section, name, "one of \(names.joined(separator: ", "))") {
      Value(rawValue: $0.lowercased())
    }
  }

  mutating func duration(_ section: SettingSection, _ name: String) -> Duration? {
    guard let text = text(section, name, "a duration, as in 60s") else { return nil }
    do {
      return try DurationText.parse(text)
    } catch {
      note(section, name, error.description)
      return nil
    }
  }

  private mutating func override(_ section: SettingSection, _ name: String) -> String? {
    guard let variable = section.variable(name) else { return nil }
    variables.insert(variable)
    return environment[variable]
  }

  private mutating func value<Value>(
    _ section: SettingSection, _ name: String, _ rule: String, _ parse: (String) -> Value?
  ) -> Value? {
    guard let text = text(section, name, rule) else { return nil }
    guard let value = parse(text) else {
      note(section, name, "must be \(rule), not '\(text.prefix(100))'")
      return nil
    }
    return value
  }
}
