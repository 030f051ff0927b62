import Jobs
import Synchronization

/// Transitions on their way to the events exchange. Events tell, they do not decide: when the broker is away for long, the
/// oldest are let go, and the transition log of the store still has them.
final class EventQueue: Sendable {
  /// The most events kept while the broker is away.
  static let capacity = 10_000

  private struct State {
    var waiting: [JobEvent] = []
    var lost = 0
  }

  private let state = Mutex(State())
  private let signal = Signal()

  func append(_ events: [JobEvent]) {
    guard !events.isEmpty else { return }
    state.withLock { state in
      state.waiting += events
      let excess = state.waiting.count - Self.capacity
      if excess > 0 {
        state.waiting.removeFirst(excess)
        state.lost += excess
      }
    }
    signal.raise()
  }

  /// All that has gathered, and how many were let go before; waits while there is none. Empty when the task is cancelled.
  func next() async -> (events: [JobEvent], lost: Int) {
    while !Task.isCancelled {
      let (events, lost) = state.withLock { state in
        defer { state = State() }
        return (state.waiting, state.lost)
      }
      if !events.isEmpty { return (events, lost) }
      await signal.wait(atMost: nil)
    }
    return ([], 0)
  }
}
