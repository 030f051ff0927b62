// What an execution callback throws in order to say itself what becomes of its job. What it throws else fails the attempt, and
// the type's ``RetryDecision`` or retry policy says what happens next.

/// Thrown by an execution callback that found nothing to do: the job ends as `skipped`.
public struct JobSkip: Error, Hashable, CustomStringConvertible {
  /// Why, for people; it becomes the job's details.
  public let reason: String

  /// To be thrown; ``JobContext/skip(_:)`` makes one too.
  public init(reason: String) {
    self.reason = reason
  }

  public var description: String { "skipped: \(reason)" }
}

/// Thrown by an execution callback whose job would fail again however often it is run: no retry.
public struct PermanentFailure: Error, Hashable, CustomStringConvertible {
  /// What went wrong; it becomes the job's error.
  public let description: String

  /// - Parameter message: what went wrong, for people.
  public init(_ message: String) {
    description = message
  }
}

/// Thrown by an execution callback that has failed and knows when to try again: another service has said so, say.
public struct RetryAfter: Error, Hashable, CustomStringConvertible {
  /// No job that uses up no retry runs again sooner: it would never come to an end, and leave time for nothing else.
  public static let shortestUncounted = Duration.seconds(1)

  /// After how long the next attempt comes, instead of the retry policy's delay.
  public let delay: Duration
  /// Whether it uses up a retry: then a job that has none left fails.
  public let counted: Bool
  /// What went wrong; it becomes the job's error.
  public let description: String

  /// - Parameters:
  ///   - delay: at least ``shortestUncounted`` where it is not counted.
  ///   - counted: whether it uses up a retry.
  ///   - message: what went wrong, for people.
  public init(_ delay: Duration, counted: Bool = true, because message: String) {
    self.delay = delay
    self.counted = counted
    description = message
  }

  /// - Parameters:
  ///   - delay: at least ``shortestUncounted`` where it is not counted.
  ///   - counted: whether it uses up a retry.
  ///   - error: what went wrong.
  public init(_ delay: Duration, counted: Bool = true, because error: any Error) {
    self.init(delay, counted: counted, because: String(describing: error))
  }
}

/// Thrown by an execution callback for which it is too early: the job waits, and runs again from its snapshot. That is no
/// failure, and uses up no retry.
public struct Snooze: Error, Hashable, CustomStringConvertible {
  /// For how long; at least ``RetryAfter/shortestUncounted``.
  public let delay: Duration
  /// Why, for people; it becomes the job's details.
  public let reason: String?

  /// - Parameters:
  ///   - delay: for how long.
  ///   - reason: why, for people.
  public init(_ delay: Duration, _ reason: String? = nil) {
    self.delay = delay
    self.reason = reason
  }

  public var description: String { "snoozed" + (reason.map { ": \($0)" } ?? "") }
}

/// What becomes of a job whose callback has thrown an error that does not say it itself.
public enum RetryDecision: Sendable, Hashable {
  /// What the retry policy says.
  case retry
  /// It has failed, however many retries are left.
  case fail
  /// As ``RetryAfter`` has it.
  case retryAfter(Duration, counted: Bool = true)
  /// As ``Snooze`` has it.
  case snooze(Duration)
}
