/// How the delay before a retry grows.
public enum Backoff: String, Sendable, Hashable, Codable, CaseIterable {
  /// Always the same.
  case constant
  /// By the first delay each time.
  case linear
  /// Doubled each time.
  case exponential
}
