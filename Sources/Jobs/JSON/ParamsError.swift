/// Why params do not fit their job type's schema.
public enum ParamsError: Error, Hashable, CustomStringConvertible {
  /// A value of another kind than the schema asks for.
  case wrongKind(path: [String], found: JSONKind, expected: Set<JSONKind>)
  /// A member that the job type does not have.
  case unknownMember(path: [String], known: [String])

  public var description: String {
    switch self {
    case .wrongKind(let path, let found, let expected):
      let kinds = expected.map(\.rawValue).sorted().joined(separator: " or ")
      return "\(Self.name(path)) must be \(kinds), not \(found.rawValue)"
    case .unknownMember(let path, let known):
      let names = known.listedAsKnown(orElse: "it takes none").shortened(to: 400)
      return "\(Self.name(path)) is no parameter of this job type; \(names)"
    }
  }

  private static func name(_ path: [String]) -> String {
    (["params"] + path).joined(separator: ".").shortened(to: 400)
  }
}
