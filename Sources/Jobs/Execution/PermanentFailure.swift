/// Thrown by an execution callback whose job would fail again however often it is run: no retry.
public struct PermanentFailure: Error, Hashable, CustomStringConvertible {
  /// What went wrong; it becomes the job's error.
  public let description: String

  /// - Parameter message: what went wrong, for people.
  public init(_ message: String) {
    description = message
  }
}
