/// A configuration that cannot be used, with all that is wrong with it.
public struct ConfigurationError: Error, Hashable, CustomStringConvertible {
  /// Never empty; in the order of their lines, those of the environment last.
  public let problems: [ConfigurationProblem]

  init(problems: [ConfigurationProblem]) {
    // In each line in the order of finding.
    self.problems = problems.enumerated()
      .sorted { ($0.element.line ?? .max, $0.offset) < ($1.element.line ?? .max, $1.offset) }
      .map(\.element)
  }

  /// A file that cannot be read at all.
  init(file: String, line: Int? = nil, column: Int? = nil, _ message: String) {
    problems = [
      ConfigurationProblem(
        place: .file(file, line: line, column: column), key: nil, message: message)
    ]
  }

  /// One problem on each line.
  public var description: String {
    problems.map(\.description).joined(separator: "\n")
  }
}
