/// How often, and after how long, a job that failed is run again.
public struct RetryPolicy: Sendable, Hashable {
  /// How many times a failed job is run again; 0 is never.
  public var maxRetries: Int
  /// The delay before the first retry.
  public var delay: Duration
  /// How the delay grows from one retry to the next.
  public var backoff: Backoff
  /// The longest delay, jitter not counted.
  public var maxDelay: Duration
  /// The part of each delay that is left to chance, 0 to 1: with 0.2 a delay of 10 s becomes 8 to 12 s.
  public var jitter: Double

  /// Values out of range are taken to the nearest one in range.
  public init(
    maxRetries: Int, delay: Duration = .zero, backoff: Backoff = .constant,
    maxDelay: Duration = .seconds(3600), jitter: Double = 0
  ) {
    self.maxRetries = max(0, maxRetries)
    self.delay = min(max(.zero, delay), .longest)
    self.backoff = backoff
    self.maxDelay = min(max(.zero, maxDelay), .longest)
    self.jitter = jitter.isNaN ? 0 : min(max(0, jitter), 1)
  }

  /// The same with values that were set out of range taken to the nearest one in range.
  var normalized: RetryPolicy {
    RetryPolicy(
      maxRetries: maxRetries, delay: delay, backoff: backoff, maxDelay: maxDelay, jitter: jitter)
  }

  /// A failed job stays failed.
  public static let never = RetryPolicy(maxRetries: 0)

  /// So many times, after a delay that doubles each time; see ``Retry/exponential(_:from:upTo:jitter:)``.
  public static func exponential(
    _ times: Int, from delay: Duration = .seconds(1), upTo longest: Duration = .seconds(3600),
    jitter: Double = 0.2
  ) -> RetryPolicy {
    RetryPolicy(
      maxRetries: times, delay: delay, backoff: .exponential, maxDelay: longest, jitter: jitter)
  }

  /// So many times, after a delay that grows by the first one each time.
  public static func linear(
    _ times: Int, from delay: Duration = .seconds(1), upTo longest: Duration = .seconds(3600),
    jitter: Double = 0.2
  ) -> RetryPolicy {
    RetryPolicy(
      maxRetries: times, delay: delay, backoff: .linear, maxDelay: longest, jitter: jitter)
  }

  /// So many times, always after the same delay.
  public static func constant(
    _ times: Int, every delay: Duration = .seconds(1), jitter: Double = 0
  ) -> RetryPolicy {
    RetryPolicy(maxRetries: times, delay: delay, backoff: .constant, jitter: jitter)
  }

  /// The delay before one retry.
  ///
  /// - Parameters:
  ///   - retry: which retry, from 1.
  ///   - chance: a number from 0 up to 1, uniformly at random, that places the delay within its jitter.
  package func delay(beforeRetry retry: Int, chance: Double) -> Duration {
    let factor: Double =
      switch backoff {
      case .constant: 1
      case .linear: Double(max(1, retry))
      // 2^62 times any delay that is not zero is past every longest delay.
      case .exponential: Double(1 << UInt64(min(max(1, retry), 63) - 1))
      }
    // A maximum below the first delay would make that delay shorter than what was asked for.
    let ceiling = max(delay, maxDelay).seconds
    let base = min(delay.seconds * factor, ceiling)
    let spread = 1 + jitter * (2 * chance - 1)
    return .milliseconds(Int64((base * spread * 1000).rounded()))
  }
}

extension RetryPolicy: Codable {
  private enum CodingKeys: String, CodingKey {
    case maxRetries, delay, backoff, maxDelay, jitter
  }

  /// Takes what is out of range to the nearest value in range: it may come from anywhere.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      maxRetries: try container.decode(Int.self, forKey: .maxRetries),
      delay: try container.decode(Duration.self, forKey: .delay),
      backoff: try container.decode(Backoff.self, forKey: .backoff),
      maxDelay: try container.decode(Duration.self, forKey: .maxDelay),
      jitter: try container.decode(Double.self, forKey: .jitter))
  }
}

/// How the delay before a retry grows.
public enum Backoff: String, Sendable, Hashable, Codable, CaseIterable {
  /// Always the same.
  case constant
  /// By the first delay each time.
  case linear
  /// Doubled each time.
  case exponential
}
