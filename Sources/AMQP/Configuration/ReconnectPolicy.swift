/// When to try again after a connection was lost.
public struct ReconnectPolicy: Sendable, Hashable {
  /// The longest first pause. Each further one may be twice as long.
  public var initialDelay: Duration
  /// The longest pause ever. Pauses grow as long as connections fail, or are lost sooner than they
  /// were waited for. While no host listens at its port at all, as when the broker starts again, a
  /// second is the longest: that costs nobody anything.
  public var maximumDelay: Duration
  /// How many attempts may fail before the first success; then ``Connection/run()`` throws. `nil`:
  /// for ever. Once connected, it always reconnects for ever.
  public var initialAttempts: Int?

  /// Pauses up to 0.1 s, 0.2 s, … 30 s; for ever.
  public init(
    initialDelay: Duration = .milliseconds(100), maximumDelay: Duration = .seconds(30),
    initialAttempts: Int? = nil
  ) {
    self.initialDelay = initialDelay
    self.maximumDelay = maximumDelay
    self.initialAttempts = initialAttempts
  }

  /// The policy while nobody listens.
  var whileRefused: ReconnectPolicy {
    ReconnectPolicy(initialDelay: initialDelay, maximumDelay: min(maximumDelay, .seconds(1)))
  }
}
