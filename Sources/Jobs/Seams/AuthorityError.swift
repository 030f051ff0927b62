/// The authority could not be reached, or did not answer in time.
public struct AuthorityError: Error, CustomStringConvertible {
  public let description: String

  public init(_ description: String) {
    self.description = description
  }
}
