/// Thrown by an execution callback whose job would fail again however often it is run: no retry.
public struct PermanentFailure: Error, Hashable, CustomStringConvertible {
  public let description: String

  public init(_ message: String) {
    description = message
  }
}
