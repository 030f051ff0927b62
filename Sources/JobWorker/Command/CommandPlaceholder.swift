import Jobs

/// The place of one param in a ``CommandTemplate``.
struct CommandPlaceholder: Sendable, Hashable {
  /// As it was written, without the braces: `opts.level`.
  let name: String
  private let path: [String]

  /// Nil unless the name is words of letters, digits, `_` and `-`, joined by dots.
  init?(_ name: String) {
    let path = name.split(separator: ".", omittingEmptySubsequences: false)
    let isName = path.allSatisfy { word in
      !word.isEmpty && word.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" }
    }
    guard isName else { return nil }
    self.name = name
    self.path = path.map(String.init)
  }

  /// What the params have here, if anything.
  func value(in params: JSONValue) -> JSONValue? {
    var value = params
    for member in path {
      guard let next = value.members?[member] else { return nil }
      value = next
    }
    return value
  }

  /// The param's spelling inside an argument.
  func spelled(in params: JSONValue) throws(CommandTemplateError) -> String {
    guard let value = value(in: params) else { throw .missing(name) }
    return try spell(value)
  }

  /// A single value's spelling.
  func spell(_ value: JSONValue) throws(CommandTemplateError) -> String {
    switch value {
    case .string(let text):
      // Arguments end at a NUL: the program would get less than was checked.
      guard !text.utf8.contains(0) else { throw .nulInValue(name) }
      return text
    case .bool, .integer, .number: return value.text
    case .null, .array, .object: throw .unfit(name, value.kind)
    }
  }
}
