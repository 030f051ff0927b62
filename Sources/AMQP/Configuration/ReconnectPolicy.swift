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

/// Pauses that grow exponentially, each drawn between half of its bound and the bound, so that many
/// clients that lost the same broker do not come back at the same instant.
struct Backoff {
  private let initial: Duration
  private let maximum: Duration
  private var bound: Duration

  init(_ policy: ReconnectPolicy) {
    initial = max(policy.initialDelay, .milliseconds(1))
    maximum = max(policy.maximumDelay, initial)
    bound = initial
  }

  /// The next pause.
  mutating func next() -> Duration {
    var generator = SystemRandomNumberGenerator()
    return next(using: &generator)
  }

  mutating func next(using generator: inout some RandomNumberGenerator) -> Duration {
    let pause = bound * Double.random(in: 0.5...1, using: &generator)
    bound = bound >= maximum / 2 ? maximum : bound * 2
    return pause
  }

  /// Back to the first.
  mutating func reset() {
    bound = initial
  }

  /// What was tried has succeeded, and lasted so long: back to the first pause, if that was longer
  /// than the next one would be. What fails again at once is not to be tried without pause.
  mutating func succeeded(for duration: Duration) {
    if duration >= bound { reset() }
  }
}
