/// When to try again after a connection was lost.
public struct ReconnectPolicy: Sendable, Hashable {
  /// The longest first pause. Each further one may be twice as long.
  public var initialDelay: Duration
  /// The longest pause ever.
  public var maximumDelay: Duration
  /// How many attempts may fail before the first success; then ``Connection/run()`` throws. `nil`:
  /// for ever. Once connected, it always reconnects for ever.
  public var initialAttempts: Int?

  /// Pauses up to 0.2 s, 0.4 s, … 30 s; for ever.
  public init(
    initialDelay: Duration = .milliseconds(200), maximumDelay: Duration = .seconds(30),
    initialAttempts: Int? = nil
  ) {
    self.initialDelay = initialDelay
    self.maximumDelay = maximumDelay
    self.initialAttempts = initialAttempts
  }
}
