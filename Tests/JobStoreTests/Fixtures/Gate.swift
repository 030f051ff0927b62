import Dispatch

/// Holds the writer's thread until it is opened, so that a test decides what comes together in one transaction.
final class Gate: Sendable {
  private let semaphore = DispatchSemaphore(value: 0)
  private let arrivals: AsyncStream<Void>
  private let arrived: AsyncStream<Void>.Continuation

  init() {
    (arrivals, arrived) = AsyncStream.makeStream()
  }

  /// Blocks the calling thread; for ten seconds at most.
  func pass() {
    arrived.finish()
    _ = semaphore.wait(timeout: .now() + 10)
    semaphore.signal()
  }

  func open() {
    semaphore.signal()
  }

  /// Returns when a thread stands before the gate.
  func waitForArrival() async {
    for await _ in arrivals {}
  }
}
