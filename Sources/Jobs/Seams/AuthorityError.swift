/// The authority could not be reached, or did not answer in time.
public struct AuthorityError: Error, CustomStringConvertible {
  /// Why there is no answer.
  public let description: String

  /// - Parameter description: why there is no answer.
  public init(_ description: String) {
    self.description = description
  }
}
