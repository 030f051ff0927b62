/// A text that is no duration.
public struct DurationTextError: Error, Hashable, CustomStringConvertible {
  /// What was wrong, and what would be right.
  public let description: String

  init(_ problem: String) {
    description = "\(problem); a duration is written as in 500ms, 60s, 1m30s, 2h or 1d"
  }
}
