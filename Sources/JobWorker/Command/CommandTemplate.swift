package import Jobs

/// The command line of a command job's type, with places for params:
/// `["gzip", "-{level}", "{path}"]`.
///
/// - `{name}` of a declared param stands for its value, `{opts.level}` for a member of an object,
///   alone or inside an argument (`--in={path}`). Every other brace is left alone, so that a shell
///   script or JSON is written as it is; `${name}` is the shell's, declared or not. Braces that are
///   doubled round a declared name stand for single ones: `{{path}}` is the text `{path}`.
/// - A string stands as it is, a number or boolean in its JSON spelling. `null`, an object and an
///   array are errors, except that an argument which is nothing but a placeholder becomes one
///   argument for each element of an array (none for an empty one).
/// - No shell ever sees the arguments, so nothing needs quoting. The first word, the program, is
///   fixed: whoever submits jobs must not choose what is run.
/// - A value may begin with `-`; where a program could take it for an option, write `--` before it.
package struct CommandTemplate: Sendable, Hashable {
  fileprivate enum Piece: Sendable, Hashable {
    case literal(String)
    case placeholder(CommandPlaceholder)
  }

  private let arguments: [[Piece]]

  /// The names of all placeholders, dotted as they were written, each once, in order.
  package let placeholders: [String]
  /// What stands in braces like a param's name, and is none: left alone, but perhaps a slip. Each once, in order.
  package let undeclared: [String]

  /// Reads a command, as it stands in the configuration.
  ///
  /// - Parameter params: the default params of the type: what they have can be named.
  /// - Throws: ``CommandTemplateError`` that names the argument which is wrong and what would be
  ///   right.
  package init(_ command: [String], params: JSONValue) throws(CommandTemplateError) {
    guard let program = command.first, !program.isEmpty else { throw .noProgram }
    var arguments: [[Piece]] = []
    var placeholders: [String] = []
    var undeclared: [String] = []
    for argument in command {
      guard !argument.utf8.contains(0) else { throw .nulInArgument(argument) }
      var scanner = ArgumentScanner(argument, params: params)
      scanner.scan()
      for case .placeholder(let placeholder) in scanner.pieces {
        guard !arguments.isEmpty else { throw .placeholderInProgram(placeholder.name) }
        if !placeholders.contains(placeholder.name) { placeholders.append(placeholder.name) }
      }
      for name in scanner.undeclared where !undeclared.contains(name) { undeclared.append(name) }
      arguments.append(scanner.pieces)
    }
    self.arguments = arguments
    self.placeholders = placeholders
    self.undeclared = undeclared
  }

  /// The program and its arguments for one job.
  ///
  /// - Returns: at least one element.
  /// - Throws: ``CommandTemplateError`` that names the placeholder whose param is missing or unfit.
  package func render(_ params: JSONValue) throws(CommandTemplateError) -> [String] {
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
}

/// Finds the placeholders of one argument.
private struct ArgumentScanner {
  private(set) var pieces: [CommandTemplate.Piece] = []
  private(set) var undeclared: [String] = []
  private var literal = String.UnicodeScalarView()
  private var rest: Substring.UnicodeScalarView
  private let params: JSONValue

  init(_ argument: String, params: JSONValue) {
    rest = Substring(argument).unicodeScalars
    self.params = params
  }

  mutating func scan() {
    while let scalar = rest.first {
      if scalar == "{" {
        braces()
      } else {
        literal.append(rest.removeFirst())
      }
    }
    endLiteral()
  }

  /// Reads a run of opening braces, and what belongs to it where that is a name.
  private mutating func braces() {
    let isTheShells = literal.last == "$"
    let opening = rest.prefix { $0 == "{" }.count
    let inside = rest.dropFirst(opening)
    let word = inside.prefix { $0 != "{" && $0 != "}" }
    let closing = inside[word.endIndex...].prefix { $0 == "}" }.count
    // What stands in pairs counts; a brace more on one side belongs to the text around.
    let pairs = min(opening, closing)
    guard !isTheShells, pairs > 0, let placeholder = CommandPlaceholder(String(word)) else {
      return leaveAlone(opening)
    }
    guard placeholder.value(in: params) != nil else {
      if pairs == 1 { undeclared.append(placeholder.name) }
      return leaveAlone(opening)
    }
    // Each doubled pair is a literal one; where one is left over, it makes the placeholder.
    append("{", opening - pairs + pairs / 2)
    if pairs.isMultiple(of: 2) {
      literal.append(contentsOf: word)
    } else {
      endLiteral()
      pieces.append(.placeholder(placeholder))
    }
    append("}", pairs / 2)
    rest = inside[word.endIndex...].dropFirst(pairs)
  }

  private mutating func leaveAlone(_ braces: Int) {
    append("{", braces)
    rest.removeFirst(braces)
  }

  private mutating func append(_ brace: Unicode.Scalar, _ count: Int) {
    literal.append(contentsOf: repeatElement(brace, count: count))
  }

  private mutating func endLiteral() {
    if !literal.isEmpty { pieces.append(.literal(String(literal))) }
    literal = String.UnicodeScalarView()
  }
}

/// The place of one param in a ``CommandTemplate``.
private struct CommandPlaceholder: Sendable, Hashable {
  /// As it was written, without the braces: `opts.level`.
  let name: String
  private let path: [String]

  /// Nil unless the name is words of letters, digits, `_` and `-`, joined by dots.
  init?(_ name: String) {
    let path = name.split(separator: ".", omittingEmptySubsequences: false)
    let isName = path.allSatisfy { word in
      !word.isEmpty && word.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" }
    }
    guard isName else { return nil }
    self.name = name
    self.path = path.map(String.init)
  }

  /// What the params have here, if anything.
  func value(in params: JSONValue) -> JSONValue? {
    var value = params
    for member in path {
      guard let next = value.members?[member] else { return nil }
      value = next
    }
    return value
  }

  /// The param's spelling inside an argument.
  func spelled(in params: JSONValue) throws(CommandTemplateError) -> String {
    guard let value = value(in: params) else { throw .missing(name) }
    return try spell(value)
  }

  /// A single value's spelling.
  func spell(_ value: JSONValue) throws(CommandTemplateError) -> String {
    switch value {
    case .string(let text):
      // Arguments end at a NUL: the program would get less than was checked.
      guard !text.utf8.contains(0) else { throw .nulInValue(name) }
      return text
    case .bool, .integer, .number: return value.text
    case .null, .array, .object: throw .unfit(name, value.kind)
    }
  }
}

/// Why a command cannot be read from the configuration, or cannot be made from a job's params.
package enum CommandTemplateError: Error, Hashable, CustomStringConvertible {
  /// The command is empty, or its first word is.
  case noProgram
  /// The first word is to be chosen by params.
  case placeholderInProgram(String)
  case nulInArgument(String)
  /// The params have no such member.
  case missing(String)
  /// The param has a value that no argument can stand for.
  case unfit(String, JSONKind)
  case nulInValue(String)

  package var description: String {
    switch self {
    case .noProgram:
      "the command is empty; its first word is the program to run"
    case .placeholderInProgram(let name):
      "{\(name)} stands in the program's name; params can only be arguments"
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
