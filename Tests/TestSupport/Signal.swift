import Synchronization

/// Something that happens once, and can be waited for, by many and again and again.
public final class Signal: Sendable {
  private struct State {
    var hasFired = false
    var lastID = 0
    var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
  }

  private let state = Mutex(State())

  /// Not yet fired.
  public init() {}

  /// Whether it has happened.
  public var hasFired: Bool { state.withLock(\.hasFired) }

  /// It happens.
  public func fire() {
    let waiters = state.withLock { state in
      state.hasFired = true
      defer { state.waiters = [:] }
      return Array(state.waiters.values)
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Waits for it, or until the task is cancelled.
  public func wait() async {
    let id = state.withLock { state in
      state.lastID += 1
      return state.lastID
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let goesOn = state.withLock { state in
          if state.hasFired || Task.isCancelled { return true }
          state.waiters[id] = continuation
          return false
        }
        if goesOn { continuation.resume() }
      }
    } onCancel: {
      state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
    }
  }

  /// Waits for it, at most for `bound`. False if it has not happened by then.
  public func wait(for bound: Duration) async -> Bool {
    _ = await bounded(bound) { await self.wait() }
    return hasFired
  }
}
