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
    var since: Duration
    var seen: Set<WorkerID> = []

    mutating func follow(_ current: UInt64, at uptime: Duration) {
      guard current != generation else { return }
      self = State(generation: current, since: uptime)
    }
  }

  /// How long workers may take to come back.
  let grace: Duration
  private let clock: any ServerClock
  private let state: Mutex<State>

  init(grace: Duration, clock: any ServerClock = SystemClock()) {
    self.grace = grace
    self.clock = clock
    state = Mutex(State(since: clock.uptime))
  }

  /// The worker's queue was there, on this connection of the server's.
  func saw(_ worker: WorkerID, on generation: UInt64) {
    state.withLock { state in
      state.follow(generation, at: clock.uptime)
      state.seen.insert(worker)
    }
  }

  /// Whether a queue that is not there proves that its worker is gone.
  func isGone(_ worker: WorkerID, on generation: UInt64) -> Bool {
    state.withLock { state in
      state.follow(generation, at: clock.uptime)
      return state.seen.contains(worker) || clock.uptime - state.since > grace
    }
  }
}
