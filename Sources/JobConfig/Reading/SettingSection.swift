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
