/// Waits between tries, with jitter, so that many workers do not come back in step.
struct Pause: Sendable {
  private let longest: Duration
  private var next: Duration

  /// - Parameters:
  ///   - first: the first wait; each further one is twice as long.
  ///   - longest: the longest wait.
  init(first: Duration, longest: Duration) {
    next = min(first, longest)
    self.longest = longest
  }

  /// The next wait: between half of what is due and all of it.
  mutating func take() -> Duration {
    defer { next = min(next * 2, longest) }
    return next * Double.random(in: 0.5...1)
  }
}
