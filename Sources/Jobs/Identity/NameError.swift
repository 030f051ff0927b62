/// A text that is no name of what it should name.
public struct NameError: Error, Hashable, CustomStringConvertible {
  /// What is wrong with the name, and what would be right.
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}
