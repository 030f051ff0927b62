import Jobs
import ServiceLifecycle
import TestSupport

/// A worker that runs in a test.
struct RunningWorker: Sendable {
  let id: WorkerID
  let group: ServiceGroup
  let ended = Signal()

  /// Tells it to end, as SIGTERM does.
  func drain() async {
    await group.triggerGracefulShutdown()
  }

  /// Tells it to end and waits for that.
  func shutDown(within bound: Duration = .seconds(40)) async -> Bool {
    await drain()
    return await ended.wait(for: bound)
  }
}
