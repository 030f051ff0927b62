import Jobs

/// A value of the file, with its place.
struct SettingNode: Sendable {
  struct Member: Sendable {
    let name: String
    /// Where the name stands.
    let line: Int
    let column: Int
    let value: SettingNode
  }

  enum Content: Sendable {
    case scalar(YAMLScalar)
    case list([SettingNode])
    /// With unique names, in the order of the file; merge keys are resolved.
    case map([Member])
  }

  let content: Content
  let line: Int
  let column: Int

  var isNull: Bool {
    if case .scalar(let scalar) = content { scalar.value == .null } else { false }
  }

  /// What it is, for messages.
  var shown: String {
    switch content {
    case .scalar(let scalar): scalar.value == .null ? "nothing" : "'\(scalar.text.prefix(100))'"
    case .list: "a list"
    case .map: "a map"
    }
  }

  var json: JSONValue {
    switch content {
    case .scalar(let scalar): scalar.value
    case .list(let elements): .array(elements.map(\.json))
    case .map(let members):
      .object(
        Dictionary(
          members.map { ($0.name, $0.value.json) }, uniquingKeysWith: { first, _ in first }))
    }
  }
}
