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
