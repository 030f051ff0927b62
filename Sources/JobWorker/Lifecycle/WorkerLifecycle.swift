import Synchronization

/// Where a worker is in its life. It only goes forward.
enum WorkerPhase: Int, Sendable, Hashable, Comparable {
  case working
  /// Takes no more jobs; those that run may end.
  case draining
  /// What still runs is told to end and is given back.
  case givingBack
  /// Nothing is waited for any longer.
  case leaving

  static func < (lhs: WorkerPhase, rhs: WorkerPhase) -> Bool { lhs.rawValue < rhs.rawValue }

  /// What comes after it.
  var next: WorkerPhase { WorkerPhase(rawValue: rawValue + 1) ?? .leaving }
}

/// The phase that a worker is in, which all of its tasks watch.
final class WorkerLifecycle: Sendable {
  private struct Waiter {
    let phase: WorkerPhase
    let continuation: CheckedContinuation<Void, Never>
  }

  private struct State {
    var phase = WorkerPhase.working
    var failure: (any Error)?
    var waiters: [UInt64: Waiter] = [:]
    var lastID: UInt64 = 0
  }

  private let state = Mutex(State())

  var phase: WorkerPhase { state.withLock(\.phase) }

  /// Why the worker ends, when it is not because it was told to.
  var failure: (any Error)? { state.withLock(\.failure) }

  /// Goes on to a phase, unless it is past it.
  func advance(to phase: WorkerPhase) {
    let reached = state.withLock { state in
      guard state.phase < phase else { return [Waiter]() }
      state.phase = phase
      let reached = state.waiters.filter { $0.value.phase <= phase }
      for id in reached.keys { state.waiters[id] = nil }
      return Array(reached.values)
    }
    for waiter in reached { waiter.continuation.resume() }
  }

  /// Ends the worker because of an error; the first one counts. What runs may end.
  func fail(_ error: any Error) {
    state.withLock { if $0.failure == nil { $0.failure = error } }
    advance(to: .draining)
  }

  /// Waits for a phase, or for the cancellation of the task.
  func reached(_ phase: WorkerPhase) async {
    let id = state.withLock { state in
      state.lastID += 1
      return state.lastID
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let goesOn = state.withLock { state in
          // Asked under the lock: a cancellation that comes later finds the waiter.
          if state.phase >= phase || Task.isCancelled { return true }
          state.waiters[id] = Waiter(phase: phase, continuation: continuation)
          return false
        }
        if goesOn { continuation.resume() }
      }
    } onCancel: {
      state.withLock { $0.waiters.removeValue(forKey: id) }?.continuation.resume()
    }
  }

  /// Waits for a phase, for at most `limit`.
  ///
  /// - Returns: whether the phase has come.
  func reached(_ phase: WorkerPhase, within limit: Duration) async -> Bool {
    await withTaskGroup { group in
      group.addTask { await self.reached(phase) }
      // Ends early when it is cancelled, which is all that can go wrong with a sleep.
      group.addTask { try? await Task.sleep(for: limit) }
      await group.next()
      group.cancelAll()
    }
    return self.phase >= phase
  }
}

/// Waits between tries, with jitter, so that many workers do not come back in step.
struct Pause: Sendable {
  private let longest: Duration
  private var next: Duration

  /// - Parameters:
  ///   - first: the first wait; each further one is twice as long.
  ///   - longest: the longest wait.
  init(first: Duration, longest: Duration) {
    next = min(first, longest)
    self.longest = longest
  }

  /// The next wait: between half of what is due and all of it.
  mutating func take() -> Duration {
    defer { next = min(next * 2, longest) }
    return next * Double.random(in: 0.5...1)
  }
}
