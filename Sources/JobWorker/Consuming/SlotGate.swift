import Synchronization

/// The slots of one queue: as many jobs as its capacity may be here at once.
///
/// The consumer's prefetch says the same to the broker; but after a reconnection the jobs that still run are unknown to the
/// new subscription, and the broker delivers as many others.
final class SlotGate: Sendable {
  private struct State {
    var free: Int
    var isClosed = false
    var waiting: [CheckedContinuation<Bool, Never>] = []
  }

  private let state: Mutex<State>

  init(capacity: Int) {
    state = Mutex(State(free: capacity))
  }

  /// Waits for a slot; first come, first served.
  ///
  /// - Returns: `false` when there will be none, because the gate is closed.
  func acquire() async -> Bool {
    await withCheckedContinuation { continuation in
      let answer = state.withLock { state -> Bool? in
        if state.isClosed { return false }
        if state.free > 0 {
          state.free -= 1
          return true
        }
        state.waiting.append(continuation)
        return nil
      }
      if let answer { continuation.resume(returning: answer) }
    }
  }

  /// Gives a slot back.
  func release() {
    let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
      guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
      state.free += 1
      return nil
    }
    next?.resume(returning: true)
  }

  /// Lets nobody in any more.
  func close() {
    let waiting = state.withLock { state in
      state.isClosed = true
      defer { state.waiting = [] }
      return state.waiting
    }
    for continuation in waiting { continuation.resume(returning: false) }
  }
}
