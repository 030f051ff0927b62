public import Jobs

/// Why a command cannot be read from the config, or cannot be made from a job's params.
public enum CommandTemplateError: Error, Hashable, CustomStringConvertible {
  /// The command is empty, or its first word is.
  case noProgram
  /// The first word is to be chosen by params.
  case placeholderInProgram(String)
  /// A brace that opens or closes nothing.
  case unmatchedBrace(Character, argument: String)
  /// Braces round something that is no param's name.
  case notAPlaceholder(String, argument: String)
  case nulInArgument(String)
  /// The params have no such member.
  case missing(String)
  /// The param has a value that no argument can stand for.
  case unfit(String, JSONKind)
  case nulInValue(String)

  public var description: String {
    switch self {
    case .noProgram:
      "the command is empty; its first word is the program to run"
    case .placeholderInProgram(let name):
      "{\(name)} stands in the program's name; params can only be arguments"
    case .unmatchedBrace(let brace, let argument):
      "'\(brace)' in \"\(argument)\" has no partner; a literal brace is written twice"
    case .notAPlaceholder(let name, let argument):
      """
      {\(name)} in "\(argument)" is no placeholder; it takes a param's name (letters, digits, _ \
      and -, dots between members), and a literal brace is written twice
      """
    case .nulInArgument(let argument):
      "the argument \"\(argument.prefix { $0 != "\0" })…\" holds a NUL, which no argument can"
    case .missing(let name):
      "{\(name)}: the params have no such member"
    case .unfit(let name, let kind) where kind == .array:
      """
      {\(name)} is an array; only an argument that is nothing but {\(name)} takes one, \
      of single values
      """
    case .unfit(let name, let kind):
      "{\(name)} is \(kind.rawValue); an argument takes a string, number or boolean"
    case .nulInValue(let name):
      "{\(name)} holds a NUL, which no argument can"
    }
  }
}
