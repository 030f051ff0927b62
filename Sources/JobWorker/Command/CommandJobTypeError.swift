public import Jobs

/// Why a command job's type is none.
public enum CommandJobTypeError: Error, Hashable, CustomStringConvertible {
  /// The command has placeholders that no param stands for.
  case unknownPlaceholders([String], known: [String])
  /// The default params are no object.
  case paramsNotObject(JSONKind)

  public var description: String {
    switch self {
    case .unknownPlaceholders(let names, let known):
      "the command names \(names.map { "{\($0)}" }.joined(separator: ", ")), which is no param; "
        + (known.isEmpty ? "the type has none" : "params are \(known.joined(separator: ", "))")
    case .paramsNotObject(let kind):
      "the params must be an object, name by name with its default, not \(kind.rawValue)"
    }
  }
}
