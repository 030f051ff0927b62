import Jobs
import Yams

/// Turns YAML text into ``SettingNode``s.
struct YAMLDocument {
  /// How many values a file may have once its aliases are resolved: a few lines of aliases of aliases make billions.
  static let maximumValues = 100_000
  /// How deep values may lie in one another: a place in the configuration has few levels, and params need not many more.
  static let maximumDepth = 64

  private let file: String
  private var count = 0

  /// - Returns: `nil` for a file that has nothing but comments.
  static func parse(_ text: String, file: String) throws(ConfigurationError) -> SettingNode? {
    let root: Node?
    do {
      root = try Yams.compose(yaml: text, .basic)
    } catch let error as YamlError {
      throw ConfigurationError(yaml: error, file: file)
    } catch {
      throw ConfigurationError(file: file, "not valid YAML: \(error)")
    }
    guard let root else { return nil }
    var document = YAMLDocument(file: file)
    return try document.convert(root, depth: 0)
  }

  private init(file: String) {
    self.file = file
  }

  private mutating func convert(_ node: Node, depth: Int) throws(ConfigurationError) -> SettingNode
  {
    let mark = node.mark
    count += 1
    guard count <= Self.maximumValues else {
      throw failure(
        mark, "the file has more than \(Self.maximumValues) values, its aliases resolved")
    }
    guard depth <= Self.maximumDepth else {
      throw failure(mark, "more than \(Self.maximumDepth) levels lie in one another here")
    }
    let content: SettingNode.Content
    switch node {
    case .scalar(let scalar):
      let isPlain = scalar.style == .plain && scalar.tag.rawValue == Tag.Name.implicit.rawValue
      content = .scalar(YAMLScalar(scalar.string, isPlain: isPlain))
    case .sequence(let sequence):
      var elements: [SettingNode] = []
      for element in sequence { elements.append(try convert(element, depth: depth + 1)) }
      content = .list(elements)
    case .mapping(let mapping):
      content = .map(try members(of: mapping, depth: depth))
    case .alias:
      // Composing resolves aliases; only Yams' own representation of Swift values makes such nodes.
      throw failure(mark, "an alias that refers to nothing")
    }
    return SettingNode(content: content, line: mark?.line ?? 1, column: mark?.column ?? 1)
  }

  /// The members of a mapping. What a merge key (`<<`) brings gives way to what the mapping itself has, and later merged
  /// mappings to earlier ones (YAML's merge type).
  private mutating func members(
    of mapping: Node.Mapping, depth: Int
  ) throws(ConfigurationError) -> [SettingNode.Member] {
    var own: [SettingNode.Member] = []
    var merged: [SettingNode.Member] = []
    for (key, value) in mapping {
      guard case .scalar(let name) = key else {
        throw failure(key.mark, "a key must be a single word or text")
      }
      let node = try convert(value, depth: depth + 1)
      if name.string == "<<", name.style == .plain {
        merged += try Self.merged(node, file: file)
      } else {
        own.append(
          SettingNode.Member(
            name: name.string, line: key.mark?.line ?? node.line,
            column: key.mark?.column ?? node.column, value: node))
      }
    }
    var names = Set(own.map(\.name))
    return own + merged.filter { names.insert($0.name).inserted }
  }

  private static func merged(
    _ node: SettingNode, file: String
  ) throws(ConfigurationError) -> [SettingNode.Member] {
    switch node.content {
    case .map(let members):
      return members
    case .list(let elements):
      var members: [SettingNode.Member] = []
      for element in elements {
        guard case .map(let part) = element.content else { throw notMergeable(element, file) }
        members += part
      }
      return members
    case .scalar:
      throw notMergeable(node, file)
    }
  }

  private static func notMergeable(_ node: SettingNode, _ file: String) -> ConfigurationError {
    ConfigurationError(
      file: file, line: node.line, column: node.column,
      "the merge key << takes a map or a list of maps, not \(node.shown)")
  }

  private func failure(_ mark: Mark?, _ message: String) -> ConfigurationError {
    ConfigurationError(file: file, line: mark?.line, column: mark?.column, message)
  }
}

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

/// A scalar of the file: its text, and what it means.
///
/// A plain one is read by the core schema of YAML 1.2 (section 10.3.2), not by YAML 1.1, whose `no` is a boolean and whose
/// `12:30` is a number.
struct YAMLScalar: Sendable, Hashable {
  let text: String
  let value: JSONValue

  /// - Parameter isPlain: whether it stands without quotes and without a tag.
  init(_ text: String, isPlain: Bool) {
    self.text = text
    value = isPlain ? Self.plain(text) : .string(text)
  }

  private static func plain(_ text: String) -> JSONValue {
    switch text {
    case "", "~", "null", "Null", "NULL": return .null
    case "true", "True", "TRUE": return .bool(true)
    case "false", "False", "FALSE": return .bool(false)
    default: break
    }
    guard let first = text.utf8.first, "0123456789+-.".utf8.contains(first) else {
      return .string(text)
    }
    if let integer = integer(text) { return .integer(integer) }
    // Swift reads more than YAML does: nan, inf, hexadecimal floats.
    let isNumber = text.utf8.allSatisfy { "0123456789+-.eE".utf8.contains($0) }
    if isNumber, text.utf8.contains(where: { "0123456789".utf8.contains($0) }),
      let number = Double(text.hasSuffix(".") ? text + "0" : text), number.isFinite
    {
      return .number(number)
    }
    return .string(text)
  }

  private static func integer(_ text: String) -> Int64? {
    if text.hasPrefix("0x") { return digits(text.dropFirst(2), radix: 16) }
    if text.hasPrefix("0o") { return digits(text.dropFirst(2), radix: 8) }
    return Int64(text)
  }

  private static func digits(_ text: Substring, radix: Int) -> Int64? {
    guard let first = text.first, first.isHexDigit else { return nil }
    return Int64(text, radix: radix)
  }
}

extension ConfigurationError {
  /// Text that is no YAML. What stands in the file is not repeated: it may hold the broker's password.
  init(yaml error: YamlError, file: String) {
    switch error {
    case .scanner(let context, let problem, let mark, _),
      .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      let during = context.map { "\($0.text) (line \($0.mark.line)): " } ?? ""
      self.init(
        file: file, line: mark.line, column: mark.column, "not valid YAML: \(during)\(problem)")
    case .duplicatedKeysInMapping(let duplicates, let context):
      let names = duplicates.sorted().map { "'\($0.prefix(100))'" }.joined(separator: ", ")
      self.init(
        file: file, line: context.mark.line, column: context.mark.column,
        "\(names) stands more than once in the same map; keep one")
    case .reader(let problem, let offset, _, _):
      let place = offset.map { " (character \($0 + 1))" } ?? ""
      self.init(file: file, "not valid YAML: \(problem)\(place)")
    case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
      self.init(file: file, "not valid YAML: \(error)")
    }
  }
}
