/// Why a schema is not taken: all that is wrong with it.
public struct SchemaError: Error, Sendable, Hashable, CustomStringConvertible {
  /// One thing that is wrong with a schema.
  public struct Problem: Sendable, Hashable, CustomStringConvertible {
    /// Where, within the schema (RFC 6901).
    public let pointer: String
    /// Of which keyword, if it is about one.
    public let keyword: String?
    /// What is wrong, and what would be right.
    public let message: String

    init(_ pointer: String, keyword: String?, _ message: String) {
      self.pointer = pointer.shortened(to: 400)
      self.keyword = keyword?.shortened(to: 100)
      self.message = message.shortened(to: 900)
    }

    public var description: String {
      let place = pointer.isEmpty ? "the schema" : "the schema's \(pointer)"
      return "\(place): " + (keyword.map { "\($0) " } ?? "") + message
    }
  }

  /// The most that are told.
  static let mostProblems = 20

  /// Never empty; at most 20.
  public let problems: [Problem]
  /// How many there are besides.
  public let more: Int

  init(_ problems: [Problem], more: Int = 0) {
    self.problems = Array(problems.prefix(Self.mostProblems))
    self.more = more + max(0, problems.count - Self.mostProblems)
  }

  public var description: String { problems.map(\.description).listed(more: more) }
}

/// Why params do not fit their job type's schema: all that is wrong with them.
public struct ParamsError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The most that are told.
  static let mostViolations = 20

  /// Never empty, at most 20; objects' members by name, arrays' elements in their order.
  public let violations: [ParamsViolation]
  /// How many there are besides.
  public let more: Int

  /// What is wrong with params.
  public init(_ violations: [ParamsViolation], more: Int = 0) {
    self.violations = violations
    self.more = more
  }

  /// Checking had to be given up.
  static func limit(_ detail: String) -> ParamsError {
    ParamsError([ParamsViolation(pointer: "", keyword: "limit", detail: detail)])
  }

  public var description: String { violations.map(\.detail).listed(more: more) }
}

/// One thing in params that does not fit their schema.
public struct ParamsViolation: Sendable, Hashable, Codable {
  /// Where, within the params: a JSON pointer (RFC 6901), empty for the params as a whole. What is missing is named as if it were
  /// there. One of more than 1,000 bytes is cut, and ends with "…".
  public let pointer: String
  /// Which of JSON Schema's keywords it violates; `false schema` where nothing is accepted, `limit` where checking had to be given
  /// up.
  public let keyword: String
  /// What is wrong, and what would be right.
  public let detail: String

  /// A violation; what a server answers with.
  public init(pointer: String, keyword: String, detail: String) {
    self.pointer = pointer
    self.keyword = keyword
    self.detail = detail
  }
}

extension [String] {
  /// As many as go into a sentence or two, and how many there are besides.
  fileprivate func listed(more: Int) -> String {
    var text = ""
    var rest = self[...]
    while let next = rest.first, text.isEmpty || text.utf8.count + next.utf8.count < 800 {
      text += (text.isEmpty ? "" : "; ") + next.shortened(to: 900)
      rest = rest.dropFirst()
    }
    let left = rest.count + more
    return left > 0 ? "\(text); and \(left) more" : text
  }
}
