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
