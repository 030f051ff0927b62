import Yams

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
