public import Jobs

/// Why a command job's type is none.
public enum CommandJobTypeError: Error, Hashable, CustomStringConvertible {
  /// The default params are no object.
  case paramsNotObject(JSONKind)

  public var description: String {
    switch self {
    case .paramsNotObject(let kind):
      "the params must be an object, name by name with its default, not \(kind.rawValue)"
    }
  }
}
