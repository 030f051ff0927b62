import Jobs

/// Makes params from assignments. A value is a string, unless the job type takes no string there: then it is JSON.
enum ParamAssembly {
  /// - Throws: ``ParamError`` for a value that is no JSON where that is needed, and for assignments that contradict each
  ///   other.
  static func params(
    _ assignments: [ParamAssignment], schema: ParamsSchema
  ) throws(ParamError) -> JSONValue {
    var members: [String: JSONValue] = [:]
    for assignment in assignments {
      let value = try value(of: assignment, schema: schema)
      members = try inserting(value, at: assignment.path[...], of: assignment.name, into: members)
    }
    return .object(members)
  }

  /// What is not in the schema is left to the server, which names what is.
  private static func value(
    of assignment: ParamAssignment, schema: ParamsSchema
  ) throws(ParamError) -> JSONValue {
    let kinds = schema.kinds(at: assignment.path)
    guard !kinds.isEmpty, !kinds.contains(.string) else { return .string(assignment.text) }
    do {
      return try JSONValue(parsing: assignment.text.utf8)
    } catch {
      let expected = kinds.map(\.rawValue).sorted().joined(separator: " or ")
      throw ParamError(
        "the param \(assignment.name) takes \(expected), not '\(assignment.text.prefix(100))'")
    }
  }

  private static func inserting(
    _ value: JSONValue, at path: ArraySlice<String>, of name: String,
    into members: [String: JSONValue]
  ) throws(ParamError) -> [String: JSONValue] {
    guard let first = path.first else { return members }
    var members = members
    if path.count == 1 {
      guard members[first] == nil else { throw ParamError("the param \(name) is given twice") }
      members[first] = value
      return members
    }
    let inner: [String: JSONValue]
    switch members[first] {
    case nil: inner = [:]
    case .object(let object): inner = object
    case .some:
      throw ParamError("the param \(name) lies in one that is given as a whole")
    }
    members[first] = .object(
      try inserting(value, at: path.dropFirst(), of: name, into: inner))
    return members
  }
}

/// One `--param`: `path=README.md`, or `opts.level=9` for a member of an object.
struct ParamAssignment: Hashable {
  let path: [String]
  /// What stands after the first equals sign, unchanged.
  let text: String

  init(_ argument: String) throws(ParamError) {
    guard let equals = argument.firstIndex(of: "=") else {
      throw ParamError("a param is given as key=value")
    }
    path = argument[..<equals].split(separator: ".", omittingEmptySubsequences: false)
      .map(String.init)
    guard path.allSatisfy({ !$0.isEmpty }) else {
      throw ParamError("'\(argument[..<equals])' is no param's name; a param is given as key=value")
    }
    text = String(argument[argument.index(after: equals)...])
  }

  var name: String { path.joined(separator: ".") }
}

/// Params that cannot be made from the command line.
struct ParamError: Error, Hashable, CustomStringConvertible {
  let description: String

  init(_ description: String) {
    self.description = description
  }
}
