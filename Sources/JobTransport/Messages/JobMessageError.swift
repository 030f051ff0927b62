import Jobs

/// Why a message is no job message.
public struct JobMessageError: Error, Hashable, CustomStringConvertible {
  /// What was wrong, for programs: the value of a dead letter's reason header.
  public enum Reason: String, Sendable, Hashable {
    case badProperty = "bad-property"
    case badHeader = "bad-header"
    case badBody = "bad-body"
  }

  public let reason: Reason
  public let description: String

  init(_ reason: Reason, _ description: String) {
    self.reason = reason
    self.description = description.shortened(to: 800)
  }
}
