/// The throwaway broker, or a tool that it needs, did not do what it should.
public struct BrokerFailure: Error, CustomStringConvertible {
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}
