import Synchronization

/// Wakes one waiting task. Raising it any number of times before it is waited for wakes once.
final class Signal: Sendable {
  private struct State {
    var isRaised = false
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  func raise() {
    let waiter = state.withLock { state in
      let waiter = state.waiter.take()
      if waiter == nil { state.isRaised = true }
      return waiter
    }
    waiter?.resume()
  }

  /// Waits until it is raised, the task is cancelled, or the time has passed; `nil` waits without limit.
  ///
  /// Only one task may wait at a time.
  func wait(atMost limit: Duration?, clock: any ServerClock = SystemClock()) async {
    guard let limit else { return await wait() }
    await withTaskGroup { group in
      group.addTask { await self.wait() }
      // Ends early when it is cancelled, which is all that can go wrong with a sleep.
      group.addTask { try? await clock.sleep(for: limit) }
      await group.next()
      group.cancelAll()
    }
  }

  private func wait() async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let goesOn = state.withLock { state in
          if state.isRaised || Task.isCancelled {
            state.isRaised = false
            return true
          }
          state.waiter = continuation
          return false
        }
        if goesOn { continuation.resume() }
      }
    } onCancel: {
      state.withLock { $0.waiter.take() }?.resume()
    }
  }
}
