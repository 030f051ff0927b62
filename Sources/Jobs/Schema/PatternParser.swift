/// What an expression is made of.
indirect enum PatternNode {
  case scalar(Unicode.Scalar)
  case set(PatternSet)
  case start
  case end
  case boundary(Bool)
  case sequence([PatternNode])
  case choice([PatternNode])
  case repeated(PatternNode, least: Int, most: Int?)
}

/// Makes instructions of an expression.
struct PatternCompiler {
  /// What is longer takes too long, and too much memory.
  static let longest = 4_000

  /// The most nodes, repeated ones counted as often as they repeat, and parts of sets: an empty group makes no instruction, and a
  /// set is looked through as a whole.
  static let mostNodes = 20_000

  var program: [PatternInstruction] = []
  private var nodes = 0

  mutating func add(_ node: PatternNode) throws(SchemaPatternError) {
    nodes += 1
    if case .set(let set) = node { nodes += set.parts.count }
    guard program.count < Self.longest, nodes < Self.mostNodes else {
      throw SchemaPatternError("it is too large; a repetition counts as often as it repeats")
    }
    switch node {
    case .scalar(let scalar): program.append(.scalar(scalar))
    case .set(let set): program.append(.set(set))
    case .start: program.append(.start)
    case .end: program.append(.end)
    case .boundary(let isWanted): program.append(.boundary(isWanted))
    case .sequence(let nodes):
      for node in nodes { try add(node) }
    case .choice(let nodes):
      var ends: [Int] = []
      for (index, node) in nodes.enumerated() {
        guard index < nodes.count - 1 else {
          try add(node)
          break
        }
        let split = program.count
        program.append(.jump(0))
        try add(node)
        ends.append(program.count)
        program.append(.jump(0))
        program[split] = .split(split + 1, program.count)
      }
      for end in ends { program[end] = .jump(program.count) }
    case .repeated(let node, let least, let most):
      for _ in 0..<least { try add(node) }
      guard let most else {
        let split = program.count
        program.append(.jump(0))
        try add(node)
        program.append(.jump(split))
        program[split] = .split(split + 1, program.count)
        return
      }
      var splits: [Int] = []
      for _ in least..<max(least, most) {
        splits.append(program.count)
        program.append(.jump(0))
        try add(node)
      }
      for split in splits { program[split] = .split(split + 1, program.count) }
    }
  }
}

/// Reads an expression.
struct PatternParser {
  private static let deepest = 50
  private static let mostTimes = 1_000

  private let scalars: [Unicode.Scalar]
  private var place = 0
  private var level = 0

  init(_ source: String) {
    scalars = Array(source.unicodeScalars)
  }

  mutating func parse() throws(SchemaPatternError) -> PatternNode {
    let node = try choice()
    guard peek == nil else { throw SchemaPatternError("a ) closes nothing") }
    return node
  }

  private var peek: Unicode.Scalar? { place < scalars.count ? scalars[place] : nil }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard peek == scalar else { return false }
    place += 1
    return true
  }

  private mutating func take(_ text: String) -> Bool {
    let wanted = Array(text.unicodeScalars)
    guard scalars[place...].starts(with: wanted) else { return false }
    place += wanted.count
    return true
  }

  private mutating func choice() throws(SchemaPatternError) -> PatternNode {
    level += 1
    defer { level -= 1 }
    guard level <= Self.deepest else {
      throw SchemaPatternError("groups are nested more than \(Self.deepest) levels deep")
    }
    var nodes = [try sequence()]
    while take("|" as Unicode.Scalar) { nodes.append(try sequence()) }
    return nodes.count == 1 ? nodes[0] : .choice(nodes)
  }

  private mutating func sequence() throws(SchemaPatternError) -> PatternNode {
    var nodes: [PatternNode] = []
    while let next = peek, next != "|", next != ")" {
      nodes.append(try repeated(try atom()))
    }
    return .sequence(nodes)
  }

  private mutating func repeated(_ node: PatternNode) throws(SchemaPatternError) -> PatternNode {
    var times: (Int, Int?)?
    switch peek {
    case "*": times = (0, nil)
    case "+": times = (1, nil)
    case "?": times = (0, 1)
    case "{": times = try counts()
    default: return node
    }
    guard let times else { return node }
    place += 1
    switch node {
    case .start, .end, .boundary: throw SchemaPatternError("^, $, \\b and \\B cannot be repeated")
    default: break
    }
    // As few as possible or as many: whether it matches is the same.
    _ = take("?" as Unicode.Scalar)
    if let next = peek, "*+?{".unicodeScalars.contains(next) {
      throw SchemaPatternError("a repetition is repeated; put it into a group")
    }
    return .repeated(node, least: times.0, most: times.1)
  }

  /// Up to the closing brace, which is left.
  private mutating func counts() throws(SchemaPatternError) -> (Int, Int?) {
    place += 1
    let wrong = SchemaPatternError(
      "a { begins no repetition such as {2}, {2,} or {2,5}; a brace itself is \\{")
    guard let least = number() else { throw wrong }
    var most: Int? = least
    if take("," as Unicode.Scalar) { most = number() }
    guard peek == "}" else { throw wrong }
    guard least <= Self.mostTimes, (most ?? 0) <= Self.mostTimes, least <= most ?? .max else {
      throw SchemaPatternError(
        "a repetition is of at most \(Self.mostTimes) times, the fewest first")
    }
    return (least, most)
  }

  private mutating func number() -> Int? {
    var digits = ""
    while let next = peek, ("0"..."9").contains(next) {
      digits.unicodeScalars.append(next)
      place += 1
    }
    return digits.isEmpty ? nil : Int(digits) ?? .max
  }

  private mutating func atom() throws(SchemaPatternError) -> PatternNode {
    guard let scalar = peek else { return .sequence([]) }
    place += 1
    switch scalar {
    case "^": return .start
    case "$": return .end
    case ".": return .set(PatternSet(parts: [.others(PatternSet.lineEnd)]))
    case "(": return try group()
    case "[": return .set(try set())
    case "\\": return try escape()
    case "*", "+", "?", "{": throw SchemaPatternError("\(scalar) repeats nothing")
    case "]", "}": throw SchemaPatternError("a \(scalar) closes nothing; itself it is \\\(scalar)")
    default: return .scalar(scalar)
    }
  }

  private mutating func group() throws(SchemaPatternError) -> PatternNode {
    if take("?" as Unicode.Scalar) {
      if take("=") || take("!") || take("<=") || take("<!") {
        throw SchemaPatternError("look-around (?= (?! (?<= (?<! needs backtracking")
      }
      if take("<" as Unicode.Scalar) {
        while let next = peek, next != ">" {
          guard
            next == "_" || next == "$" || next.properties.isAlphabetic || ("0"..."9").contains(next)
          else { throw SchemaPatternError("a group's name has letters, digits and _") }
          place += 1
        }
        guard take(">" as Unicode.Scalar) else {
          throw SchemaPatternError("a group's name has no end")
        }
      } else if !take(":" as Unicode.Scalar) {
        throw SchemaPatternError("a group begins with (, (?: or (?<name>")
      }
    }
    let node = try choice()
    guard take(")" as Unicode.Scalar) else { throw SchemaPatternError("a ( is not closed") }
    return node
  }

  private mutating func escape() throws(SchemaPatternError) -> PatternNode {
    switch peek {
    case "b", "B":
      let isWanted = peek == "b"
      place += 1
      return .boundary(isWanted)
    case "k": throw SchemaPatternError("a reference to a group needs backtracking")
    case let digit? where ("1"..."9").contains(digit):
      throw SchemaPatternError("a reference to a group needs backtracking")
    default: break
    }
    switch try escaped() {
    case .range(let range) where range.count == 1:
      return Unicode.Scalar(range.lowerBound).map { .scalar($0) }
        ?? .set(PatternSet(parts: [.range(range)]))
    case let part: return .set(PatternSet(parts: [part]))
    }
  }

  private mutating func set() throws(SchemaPatternError) -> PatternSet {
    var set = PatternSet(isNegated: take("^" as Unicode.Scalar))
    while let scalar = peek {
      place += 1
      if scalar == "]" { return set }
      let first = try part(scalar)
      guard peek == "-", place + 1 < scalars.count, scalars[place + 1] != "]" else {
        set.parts.append(first)
        continue
      }
      place += 1
      let end = scalars[place]
      place += 1
      guard case .range(let low) = first, low.count == 1, case .range(let high) = try part(end),
        high.count == 1, low.lowerBound <= high.lowerBound
      else { throw SchemaPatternError("a range in [] goes from one character up to another") }
      set.parts.append(.range(low.lowerBound...high.lowerBound))
    }
    throw SchemaPatternError("a [ is not closed")
  }

  private mutating func part(
    _ scalar: Unicode.Scalar
  ) throws(SchemaPatternError) -> PatternSet.Part {
    guard scalar == "\\" else { return .range(scalar.value...scalar.value) }
    if take("b" as Unicode.Scalar) { return .range(8...8) }
    return try escaped()
  }

  /// What a backslash makes of what follows.
  private mutating func escaped() throws(SchemaPatternError) -> PatternSet.Part {
    guard let scalar = peek else { throw SchemaPatternError("it ends with a backslash") }
    place += 1
    func only(_ value: UInt32) -> PatternSet.Part { .range(value...value) }
    switch scalar {
    case "d": return .range(0x30...0x39)
    case "D": return .others(PatternSet.digit)
    case "w": return .among(PatternSet.word)
    case "W": return .others(PatternSet.word)
    case "s": return .among(PatternSet.space)
    case "S": return .others(PatternSet.space)
    case "t": return only(0x09)
    case "n": return only(0x0A)
    case "v": return only(0x0B)
    case "f": return only(0x0C)
    case "r": return only(0x0D)
    case "0":
      guard peek.map({ !("0"..."9").contains($0) }) ?? true else {
        throw SchemaPatternError("an octal number is none of ECMA-262's with Unicode; write \\x")
      }
      return only(0)
    case "c":
      guard let letter = peek, letter.isASCII, letter.properties.isAlphabetic else {
        throw SchemaPatternError("\\c is followed by a letter")
      }
      place += 1
      return only(letter.value % 32)
    case "x": return only(try hex(2))
    case "u": return only(try unicode())
    case "p", "P": return .category(try category(), isNegated: scalar == "P")
    default:
      guard "^$\\.*+?()[]{}|/-".unicodeScalars.contains(scalar) else {
        throw SchemaPatternError("there is no \\\(scalar)")
      }
      return only(scalar.value)
    }
  }

  private mutating func hex(_ count: Int) throws(SchemaPatternError) -> UInt32 {
    let digits = scalars[place...].prefix(count)
    guard digits.count == count, digits.allSatisfy({ $0.properties.isASCIIHexDigit }),
      let value = UInt32(String(String.UnicodeScalarView(digits)), radix: 16)
    else { throw SchemaPatternError("\\x has two hexadecimal digits, \\u four, or some in braces") }
    place += count
    return value
  }

  private mutating func unicode() throws(SchemaPatternError) -> UInt32 {
    if take("{" as Unicode.Scalar) {
      let digits = scalars[place...].prefix { $0 != "}" }
      let value = try hex(min(digits.count, 8))
      guard value <= 0x10FFFF, take("}" as Unicode.Scalar) else {
        throw SchemaPatternError("\\u{} has a code point up to 10FFFF")
      }
      return value
    }
    let high = try hex(4)
    let start = place
    guard (0xD800...0xDBFF).contains(high), take("\\u") else { return high }
    let low = try hex(4)
    guard (0xDC00...0xDFFF).contains(low) else {
      place = start
      return high
    }
    return 0x10000 + (high - 0xD800) << 10 + (low - 0xDC00)
  }

  private mutating func category() throws(SchemaPatternError) -> Set<Unicode.GeneralCategory> {
    guard take("{" as Unicode.Scalar) else { throw SchemaPatternError("\\p is followed by {") }
    let name = String(String.UnicodeScalarView(scalars[place...].prefix { $0 != "}" }))
    place += name.unicodeScalars.count
    guard take("}" as Unicode.Scalar) else { throw SchemaPatternError("\\p{ is not closed") }
    let word =
      ["General_Category=", "gc="].first { name.hasPrefix($0) }.map { name.dropFirst($0.count) }
      ?? name[...]
    guard let categories = PatternCategories.named(word) else {
      throw SchemaPatternError(
        "\\p{\(name.shortened(to: 50))} is none of the general categories, as in \\p{Letter} or \\p{Lu}"
      )
    }
    return categories
  }
}

extension PatternSet.Part {
  /// These, as the others of all others.
  fileprivate static func among(_ ranges: [ClosedRange<UInt32>]) -> Self {
    var others: [ClosedRange<UInt32>] = []
    var next: UInt32 = 0
    for range in ranges {
      if range.lowerBound > next { others.append(next...(range.lowerBound - 1)) }
      next = range.upperBound + 1
    }
    return .others(others + [next...UInt32.max])
  }
}

private enum PatternCategories {
  static func named(_ name: Substring) -> Set<Unicode.GeneralCategory>? {
    if let known = all.first(where: { $0.short == name || $0.long == name }) {
      return [known.category]
    }
    guard let group = groups.first(where: { $0.short == name || $0.long == name }) else {
      return nil
    }
    return Set(all.filter { $0.short.hasPrefix(group.short) }.map(\.category))
  }

  private static let groups: [(short: String, long: String)] = [
    ("L", "Letter"), ("M", "Mark"), ("N", "Number"), ("P", "Punctuation"), ("S", "Symbol"),
    ("Z", "Separator"), ("C", "Other"),
  ]

  private static let all: [(short: String, long: String, category: Unicode.GeneralCategory)] = [
    ("Lu", "Uppercase_Letter", .uppercaseLetter), ("Ll", "Lowercase_Letter", .lowercaseLetter),
    ("Lt", "Titlecase_Letter", .titlecaseLetter), ("Lm", "Modifier_Letter", .modifierLetter),
    ("Lo", "Other_Letter", .otherLetter), ("Mn", "Nonspacing_Mark", .nonspacingMark),
    ("Mc", "Spacing_Mark", .spacingMark), ("Me", "Enclosing_Mark", .enclosingMark),
    ("Nd", "Decimal_Number", .decimalNumber), ("Nd", "digit", .decimalNumber),
    ("Nl", "Letter_Number", .letterNumber), ("No", "Other_Number", .otherNumber),
    ("Pc", "Connector_Punctuation", .connectorPunctuation),
    ("Pd", "Dash_Punctuation", .dashPunctuation), ("Ps", "Open_Punctuation", .openPunctuation),
    ("Pe", "Close_Punctuation", .closePunctuation),
    ("Pi", "Initial_Punctuation", .initialPunctuation),
    ("Pf", "Final_Punctuation", .finalPunctuation), ("Po", "Other_Punctuation", .otherPunctuation),
    ("Sm", "Math_Symbol", .mathSymbol), ("Sc", "Currency_Symbol", .currencySymbol),
    ("Sk", "Modifier_Symbol", .modifierSymbol), ("So", "Other_Symbol", .otherSymbol),
    ("Zs", "Space_Separator", .spaceSeparator), ("Zl", "Line_Separator", .lineSeparator),
    ("Zp", "Paragraph_Separator", .paragraphSeparator), ("Cc", "Control", .control),
    ("Cf", "Format", .format), ("Cs", "Surrogate", .surrogate), ("Co", "Private_Use", .privateUse),
    ("Cn", "Unassigned", .unassigned),
  ]
}
