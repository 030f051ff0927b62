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
