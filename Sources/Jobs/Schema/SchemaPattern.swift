/// A regular expression in the dialect of ECMA-262 with Unicode, without what needs backtracking: it takes time in proportion to the
/// text and its own length, whatever they are.
///
/// All ways through the expression are followed at the same time, scalar by scalar (Thompson's construction).
struct SchemaPattern: Sendable {
  let source: String
  private let program: [PatternInstruction]

  /// - Throws: ``SchemaPatternError`` for what is no expression, or needs backtracking, or is too large.
  init(_ source: String) throws(SchemaPatternError) {
    self.source = source
    var parser = PatternParser(source)
    var compiler = PatternCompiler()
    try compiler.add(try parser.parse())
    compiler.program.append(.match)
    program = compiler.program
  }

  /// Whether the expression is found somewhere in the text.
  ///
  /// - Parameter visits: how many more steps it may take; what it has taken is subtracted.
  /// - Returns: `nil` when they did not suffice.
  func matches(_ text: String, visits: inout Int) -> Bool? {
    var run = PatternRun(program)
    return run.matches(text.unicodeScalars, visits: &visits)
  }
}

/// Why an expression is not taken.
struct SchemaPatternError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) {
    self.description = description
  }
}

enum PatternInstruction: Sendable {
  case scalar(Unicode.Scalar)
  case set(PatternSet)
  case split(Int, Int)
  case jump(Int)
  case start
  case end
  case boundary(Bool)
  case match
}

/// One run over a text.
private struct PatternRun {
  private let program: [PatternInstruction]
  private var current: [Int] = []
  private var next: [Int] = []
  /// At which turn an instruction was put among the current ones.
  private var turns: [Int]
  private var turn = 0
  private var stack: [Int] = []

  init(_ program: [PatternInstruction]) {
    self.program = program
    turns = Array(repeating: -1, count: program.count)
  }

  mutating func matches(_ scalars: String.UnicodeScalarView, visits: inout Int) -> Bool? {
    var previous: Unicode.Scalar?
    var rest = scalars.makeIterator()
    var scalar = rest.next()
    while true {
      // It may begin anywhere.
      if follow(0, previous, scalar, &visits) { return true }
      guard visits > 0 else { return nil }
      guard let now = scalar else { return false }
      let following = rest.next()
      swap(&current, &next)
      current.removeAll(keepingCapacity: true)
      turn += 1
      for place in next {
        let isTaken =
          switch program[place] {
          case .scalar(let wanted): wanted == now
          case .set(let set): set.contains(now)
          default: false
          }
        if isTaken, follow(place + 1, now, following, &visits) { return true }
      }
      next.removeAll(keepingCapacity: true)
      previous = now
      scalar = following
    }
  }

  /// Puts what can be reached without another scalar among the current ones.
  ///
  /// - Returns: whether the end of the expression can be.
  private mutating func follow(
    _ start: Int, _ previous: Unicode.Scalar?, _ following: Unicode.Scalar?, _ visits: inout Int
  ) -> Bool {
    stack.append(start)
    while let place = stack.popLast() {
      visits -= 1
      guard turns[place] != turn else { continue }
      turns[place] = turn
      switch program[place] {
      case .match:
        stack.removeAll(keepingCapacity: true)
        return true
      case .jump(let target): stack.append(target)
      case .split(let one, let other):
        stack.append(other)
        stack.append(one)
      case .start: if previous == nil { stack.append(place + 1) }
      case .end: if following == nil { stack.append(place + 1) }
      case .boundary(let isWanted):
        let isOne = PatternSet.isWord(previous) != PatternSet.isWord(following)
        if isOne == isWanted { stack.append(place + 1) }
      case .scalar, .set: current.append(place)
      }
    }
    return false
  }
}

/// Some of all scalars.
struct PatternSet: Sendable {
  enum Part: Sendable {
    case range(ClosedRange<UInt32>)
    /// All but these.
    case others([ClosedRange<UInt32>])
    case category(Set<Unicode.GeneralCategory>, isNegated: Bool)
  }

  var parts: [Part] = []
  var isNegated = false

  func contains(_ scalar: Unicode.Scalar) -> Bool {
    parts.contains { part in
      switch part {
      case .range(let range): range.contains(scalar.value)
      case .others(let ranges): !ranges.contains { $0.contains(scalar.value) }
      case .category(let categories, let isNegated):
        categories.contains(scalar.properties.generalCategory) != isNegated
      }
    } != isNegated
  }

  static func isWord(_ scalar: Unicode.Scalar?) -> Bool {
    scalar.map { scalar in word.contains { $0.contains(scalar.value) } } ?? false
  }

  static let digit: [ClosedRange<UInt32>] = [0x30...0x39]
  static let word: [ClosedRange<UInt32>] = [0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A]
  static let space: [ClosedRange<UInt32>] = [
    0x09...0x0D, 0x20...0x20, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029,
    0x202F...0x202F, 0x205F...0x205F, 0x3000...0x3000, 0xFEFF...0xFEFF,
  ]
  static let lineEnd: [ClosedRange<UInt32>] = [0x0A...0x0A, 0x0D...0x0D, 0x2028...0x2029]
}
