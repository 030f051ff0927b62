import Jobs

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
    let rule = "a number from \(range.lowerBound.shown) to \(range.upperBound.shown)"
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

/// A map of settings in the file, or the place where one could be: the environment has settings without a file, too.
struct SettingSection {
  /// As messages name it: `http`, `types[2]`.
  let key: String
  /// What its settings' variables start with, as in `WARREN_HTTP`; `nil` where the environment overrides nothing.
  let variable: String?
  let members: [SettingNode.Member]
  let line: Int?
  let column: Int?

  static func variable(_ parts: [String]) -> String {
    (["WARREN"] + parts.map { $0.uppercased().replacing(/[-:]/, with: "_") }).joined(separator: "_")
  }

  subscript(name: String) -> SettingNode? {
    members.first { $0.name == name }?.value
  }

  /// The name of one of its settings, for messages.
  func key(_ name: String) -> String {
    key.isEmpty ? name : "\(key).\(name)"
  }

  func variable(_ name: String) -> String? {
    variable.map { "\($0)_\(name.uppercased().replacing(/[-:]/, with: "_"))" }
  }

  func place(in file: String, of name: String? = nil) -> ConfigurationProblem.Place {
    if let name, let node = self[name] { return .file(file, line: node.line, column: node.column) }
    return .file(file, line: line, column: column)
  }
}

/// Variables that begin with `WARREN_` and are no settings.
package enum ForeignVariables {
  /// What the command line reads besides the configuration.
  package static let commandLine = ["WARREN_SERVER", "WARREN_TOKEN", "WARREN_TOKEN_FILE"]

  /// What else of Warren's reads or sets variables: the worker for the programs that it runs, where `warren` may be called
  /// again, and the scripts in `compose`.
  static let others: Set<String> = [
    "WARREN_JOB_ID", "WARREN_JOB_TYPE", "WARREN_ATTEMPT", "WARREN_RETRIES", "WARREN_TENANT_ID",
    "WARREN_USER_ID", "WARREN_REPORT", "WARREN_SNAPSHOT", "WARREN_SHEPHERD",
    "WARREN_AMQP_PORT", "WARREN_MANAGEMENT_PORT", "WARREN_USER", "WARREN_PASSWORD",
    "WARREN_MANAGEMENT", "WARREN_MANAGEMENT_PASSWORD",
  ]

  /// Whether it is one. `WARREN_TEST_…` belongs to the tests.
  static func contains(_ name: String, value: String) -> Bool {
    others.contains(name) || commandLine.contains(name) || name.hasPrefix("WARREN_TEST_")
      || isOfKubernetes(name, value: value)
  }

  /// Kubernetes describes each service of a namespace to all its pods in variables that begin with the service's name.
  private static func isOfKubernetes(_ name: String, value: String) -> Bool {
    name.contains(/_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$/)
      || name.contains(/_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/)
      || (name.hasSuffix("_PORT") && value.contains("://"))
  }

  /// The variable of the command line that somebody meant who has set another one, if any.
  package static func misspelling(
    in environment: [String: String]
  ) -> (variable: String, meant: String)? {
    for variable in environment.keys.sorted()
    where variable.hasPrefix(prefix) && !commandLine.contains(variable)
      && !contains(variable, value: environment[variable] ?? "")
    {
      let meant = Spelling.near(
        String(variable.dropFirst(prefix.count)),
        among: commandLine.map { String($0.dropFirst(prefix.count)) })
      if let meant { return (variable, prefix + meant) }
    }
    return nil
  }

  static let prefix = "WARREN_"
}

extension SettingReader {
  /// Notes the variables that look like settings and are none, once everything has been read: a slip of the pen must not
  /// silently leave a default in place.
  mutating func checkVariables() {
    // Where the file is wrong, its queues, groups and types may not all have been read.
    let dynamic = [
      "WARREN_QUEUES_", "WARREN_GROUPS_", "WARREN_TYPES_", "WARREN_RETENTION_TYPES_",
      "WARREN_QUOTAS_TENANTS_",
    ]
    let isWhole = problems.isEmpty
    for variable in environment.keys.sorted()
    where variable.hasPrefix(ForeignVariables.prefix) && !variables.contains(variable)
      && !ForeignVariables.contains(variable, value: environment[variable] ?? "")
      && (isWhole || !dynamic.contains { variable.hasPrefix($0) })
    {
      let known = variables.union(ForeignVariables.commandLine).sorted()
        .map { String($0.dropFirst(ForeignVariables.prefix.count)) }
      let word = String(variable.dropFirst(ForeignVariables.prefix.count))
      let hint =
        Spelling.suggestion(for: word, among: known)
        .map { "did you mean \(ForeignVariables.prefix)\($0)?" }
        ?? "a setting's variable is its path in the file, as in WARREN_HTTP_PORT"
      note(.environment(variable: variable), nil, "there is no such setting; \(hint)")
    }
  }
}
