/// Why the API cannot be served.
public struct HTTPServerError: Error, CustomStringConvertible {
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}
