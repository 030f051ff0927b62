/// The kinds of JSON values, with the names that JSON Schema's `type` keyword gives them.
public enum JSONKind: String, Sendable, Hashable, Codable {
  case null, boolean, integer, number, string, array, object

  /// Whether a value of this kind is acceptable where `expected` is asked for: every integer is a number.
  func satisfies(_ expected: JSONKind) -> Bool {
    self == expected || (self == .integer && expected == .number)
  }
}
