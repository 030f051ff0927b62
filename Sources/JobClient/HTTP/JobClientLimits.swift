/// What a ``JobClient`` puts up with.
public struct JobClientLimits: Sendable, Hashable {
  /// How long the answer to one request may take, from connecting to its last byte; a wait adds the time it asks for.
  public var request: Duration
  /// The largest answer, in bytes.
  public var responseBytes: Int

  /// Limits; those left out are as they mostly should be.
  public init(request: Duration = .seconds(30), responseBytes: Int = 64 << 20) {
    self.request = max(.milliseconds(1), request)
    self.responseBytes = max(1, responseBytes)
  }
}
