import JobWorker
import Synchronization

/// The time of a ``JobTester``, which stands still until the tester moves it: to be given to jobs that wait.
///
/// `Task.sleep(for:)` waits for the machine's clock, which nobody can move. A job that is to be tested takes its clock from
/// outside, as a handler's property:
///
/// ```swift
/// struct Poller<C: Clock<Duration>>: JobHandler {
///   let clock: C       // ContinuousClock() in the service, tester.clock in the test
///
///   func run(_ params: Poll, _ job: JobContext) async throws -> NoResult {
///     for _ in 0..<params.rounds {
///       try await clock.sleep(for: .seconds(30))
///     }
///     return NoResult()
///   }
/// }
/// ```
public struct TesterClock: Clock {
  public typealias Duration = Swift.Duration

  /// A moment: how much time has passed since the tester was made.
  public struct Instant: InstantProtocol {
    /// Since the tester was made.
    public let elapsed: Swift.Duration

    public func advanced(by duration: Swift.Duration) -> Instant {
      Instant(elapsed: elapsed + duration)
    }

    public func duration(to other: Instant) -> Swift.Duration { other.elapsed - elapsed }

    public static func < (lhs: Instant, rhs: Instant) -> Bool { lhs.elapsed < rhs.elapsed }
  }

  let deadlines: DeadlineQueue
  let state: SharedState

  /// The tester's time.
  public var now: Instant { Instant(elapsed: deadlines.elapsed) }

  /// A millisecond, as everywhere in Warren: what is shorter is taken as a whole one.
  public var minimumResolution: Swift.Duration { .milliseconds(1) }

  /// Waits until the tester's time has come so far, or the task is cancelled.
  public func sleep(until deadline: Instant, tolerance: Swift.Duration? = nil) async throws {
    try Task.checkCancellation()
    let wait = now.duration(to: deadline)
    guard wait > .zero else { return }
    let sleep = Sleep()
    state.change { $0.sleepers += 1 }
    // A deadline takes whole milliseconds, and is never early.
    let id = deadlines.after(wait + .nanoseconds(999_999)) { [state] in
      // Only then, so that whoever sleeps counts as busy before; and once, should it be cancelled at the same time.
      if sleep.end(.success(())) { state.change { $0.sleepers -= 1 } }
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { sleep.begin($0) }
    } onCancel: {
      if sleep.end(.failure(CancellationError())) {
        deadlines.cancel(id)
        state.change { $0.sleepers -= 1 }
      }
    }
  }
}

/// One wait.
private final class Sleep: Sendable {
  private enum Stage {
    case notBegun
    case asleep(CheckedContinuation<Void, any Error>)
    case over(Result<Void, any Error>)
  }

  private let stage = Mutex(Stage.notBegun)

  func begin(_ continuation: CheckedContinuation<Void, any Error>) {
    let result: Result<Void, any Error>? = stage.withLock { stage in
      if case .over(let result) = stage { return result }
      stage = .asleep(continuation)
      return nil
    }
    if let result { continuation.resume(with: result) }
  }

  /// - Returns: whether it was not over before.
  func end(_ result: Result<Void, any Error>) -> Bool {
    let (isFirst, continuation) = stage.withLock { stage in
      let before = stage
      if case .over = before { return (false, CheckedContinuation<Void, any Error>?.none) }
      stage = .over(result)
      if case .asleep(let continuation) = before { return (true, continuation) }
      return (true, nil)
    }
    continuation?.resume(with: result)
    return isFirst
  }
}
