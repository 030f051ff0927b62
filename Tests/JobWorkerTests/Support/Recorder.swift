import Synchronization
import TestSupport

/// Collects what happens, and lets a test wait until enough has.
final class Recorder<Element: Sendable>: Sendable {
  private struct Waiter {
    let isEnough: @Sendable ([Element]) -> Bool
    let signal: Signal
  }

  private struct State {
    var elements: [Element] = []
    var waiters: [Waiter] = []
  }

  private let state = Mutex(State())

  var all: [Element] { state.withLock(\.elements) }

  func add(_ element: Element) {
    let reached = state.withLock { state in
      state.elements.append(element)
      let reached = state.waiters.filter { $0.isEnough(state.elements) }
      state.waiters.removeAll { $0.isEnough(state.elements) }
      return reached
    }
    for waiter in reached { waiter.signal.fire() }
  }

  /// Waits until what has happened satisfies `isEnough`; false when it does not in time.
  func wait(
    for bound: Duration = .seconds(60), until isEnough: @escaping @Sendable ([Element]) -> Bool
  ) async -> Bool {
    let signal = Signal()
    state.withLock { state in
      if isEnough(state.elements) {
        signal.fire()
      } else {
        state.waiters.append(Waiter(isEnough: isEnough, signal: signal))
      }
    }
    return await signal.wait(for: bound)
  }
}
