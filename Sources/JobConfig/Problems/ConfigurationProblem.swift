import Jobs

/// One thing that is wrong with a configuration.
public struct ConfigurationProblem: Sendable, Hashable, CustomStringConvertible {
  /// Where a setting comes from.
  public enum Place: Sendable, Hashable {
    /// The file; line and column from 1.
    case file(String, line: Int?, column: Int?)
    case environment(variable: String)
  }

  public let place: Place
  /// The setting, as in `http.port` or `types[2].timeout`.
  public let key: String?
  /// What is wrong, and what would be right.
  public let message: String

  /// The line in the file, if it is about one.
  public var line: Int? {
    if case .file(_, let line, _) = place { line } else { nil }
  }

  /// `FILE:LINE:COLUMN: KEY: MESSAGE`, or `VARIABLE: MESSAGE`.
  public var description: String {
    var parts: [String] = []
    switch place {
    case .file(let file, let line, let column):
      let position = [line, column].compactMap { $0.map(String.init) }
      parts.append(([file] + position).filter { !$0.isEmpty }.joined(separator: ":"))
      if let key, !key.isEmpty { parts.append(key.shortened(to: 200)) }
    case .environment(let variable):
      parts.append(variable)
    }
    parts.append(message.shortened(to: 700))
    return parts.filter { !$0.isEmpty }.joined(separator: ": ")
  }
}
