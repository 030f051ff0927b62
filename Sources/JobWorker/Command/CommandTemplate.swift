public import Jobs

/// The command line of a command job's type, with places for params:
/// `["gzip", "-{level}", "{path}"]`.
///
/// - `{name}` stands for a param, `{opts.level}` for a member of an object, alone or inside an
///   argument (`--in={path}`). `{{` and `}}` are literal braces.
/// - A string stands as it is, a number or boolean in its JSON spelling. `null`, an object and an
///   array are errors, except that an argument which is nothing but a placeholder becomes one
///   argument for each element of an array (none for an empty one).
/// - No shell ever sees the arguments, so nothing needs quoting. The first word, the program, is
///   fixed: whoever submits jobs must not choose what is run.
/// - A value may begin with `-`; where a program could take it for an option, write `--` before it.
public struct CommandTemplate: Sendable, Hashable {
  private enum Piece: Sendable, Hashable {
    case literal(String)
    case placeholder(CommandPlaceholder)
  }

  private let arguments: [[Piece]]

  /// The names of all placeholders, dotted as they were written, each once, in order.
  public let placeholders: [String]

  /// Parses a command, as it stands in the config file.
  ///
  /// - Throws: ``CommandTemplateError`` that names the argument which is wrong and what would be
  ///   right.
  public init(_ command: [String]) throws(CommandTemplateError) {
    guard let program = command.first, !program.isEmpty else { throw .noProgram }
    var arguments: [[Piece]] = []
    var names: [String] = []
    for argument in command {
      let pieces = try Self.parse(argument)
      for case .placeholder(let placeholder) in pieces {
        guard !arguments.isEmpty else { throw .placeholderInProgram(placeholder.name) }
        if !names.contains(placeholder.name) { names.append(placeholder.name) }
      }
      arguments.append(pieces)
    }
    self.arguments = arguments
    self.placeholders = names
  }

  /// The placeholders that these params, a job type's defaults say, have no member for.
  public func unknownPlaceholders(in params: JSONValue) -> [String] {
    var unknown: [String] = []
    for case .placeholder(let placeholder) in arguments.joined()
    where placeholder.value(in: params) == nil && !unknown.contains(placeholder.name) {
      unknown.append(placeholder.name)
    }
    return unknown
  }

  /// The program and its arguments for one job.
  ///
  /// - Returns: at least one element.
  /// - Throws: ``CommandTemplateError`` that names the placeholder whose param is missing or unfit.
  public func render(_ params: JSONValue) throws(CommandTemplateError) -> [String] {
    var command: [String] = []
    for pieces in arguments {
      if pieces.count == 1, case .placeholder(let only) = pieces[0],
        case .array(let elements) = only.value(in: params)
      {
        for element in elements { command.append(try only.spell(element)) }
        continue
      }
      var argument = ""
      for piece in pieces {
        switch piece {
        case .literal(let text): argument += text
        case .placeholder(let placeholder): argument += try placeholder.spelled(in: params)
        }
      }
      command.append(argument)
    }
    return command
  }

  private static func parse(_ argument: String) throws(CommandTemplateError) -> [Piece] {
    var pieces: [Piece] = []
    var literal = String.UnicodeScalarView()
    var rest = Substring(argument).unicodeScalars
    while let scalar = rest.popFirst() {
      switch scalar {
      case "\0":
        throw .nulInArgument(argument)
      case "{" where rest.first == "{", "}" where rest.first == "}":
        literal.append(scalar)
        rest.removeFirst()
      case "}":
        throw .unmatchedBrace("}", argument: argument)
      case "{":
        guard let end = rest.firstIndex(of: "}") else {
          throw .unmatchedBrace("{", argument: argument)
        }
        let name = String(rest[..<end])
        guard let placeholder = CommandPlaceholder(name) else {
          throw .notAPlaceholder(name, argument: argument)
        }
        rest = rest[rest.index(after: end)...]
        if !literal.isEmpty { pieces.append(.literal(String(literal))) }
        literal = String.UnicodeScalarView()
        pieces.append(.placeholder(placeholder))
      default:
        literal.append(scalar)
      }
    }
    if !literal.isEmpty { pieces.append(.literal(String(literal))) }
    return pieces
  }
}
