import Jobs

/// A message that is not what its place says it is.
public struct WireError: Error, CustomStringConvertible {
  public let description: String

  init(_ description: String) {
    self.description = description.shortened(to: 800)
  }
}
