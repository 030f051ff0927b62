import Jobs
import Synchronization

/// Which workers have been seen on the server's present connection to the broker, so that the absence of a worker's queue
/// can be told from a broker that has just come back and has no queues yet.
///
/// A queue that was there, and is no more, has gone with its worker's connection. One that has not been seen since the
/// server connected may be on its way: it counts as gone only after the time in which workers reconnect.
final class Presence: Sendable {
  private struct State {
    var generation: UInt64 = 0
    var since = ContinuousClock.now
    var seen: Set<WorkerID> = []

    mutating func follow(_ current: UInt64) {
      guard current != generation else { return }
      self = State(generation: current)
    }
  }

  /// How long workers may take to come back.
  let grace: Duration
  private let state = Mutex(State())

  init(grace: Duration) {
    self.grace = grace
  }

  /// The worker's queue was there, on this connection of the server's.
  func saw(_ worker: WorkerID, on generation: UInt64) {
    state.withLock { state in
      state.follow(generation)
      state.seen.insert(worker)
    }
  }

  /// Whether a queue that is not there proves that its worker is gone.
  func isGone(_ worker: WorkerID, on generation: UInt64) -> Bool {
    state.withLock { state in
      state.follow(generation)
      return state.seen.contains(worker) || ContinuousClock.now - state.since > grace
    }
  }
}
