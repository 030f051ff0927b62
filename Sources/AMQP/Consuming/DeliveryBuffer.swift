import Synchronization

/// Deliveries on their way from the connection's thread to the consumer's task.
final class DeliveryBuffer: Sendable {
  typealias Outcome = Result<[Delivery]?, AMQPError>

  private struct State {
    var deliveries: [Delivery] = []
    var waiters: [(id: UInt64, continuation: CheckedContinuation<Outcome, Never>)] = []
    var nextID: UInt64 = 0
    var end: Outcome?
  }

  private let state = Mutex(State())

  /// Adds what has come, and wakes whoever has waited longest.
  func append(_ deliveries: [Delivery]) {
    let waiter = state.withLock { state -> CheckedContinuation<Outcome, Never>? in
      guard state.end == nil else { return nil }
      guard !state.waiters.isEmpty else {
        state.deliveries += deliveries
        return nil
      }
      return state.waiters.removeFirst().continuation
    }
    waiter?.resume(returning: .success(deliveries))
  }

  /// Drops what nobody has taken: the broker has taken it back.
  func removeAll() {
    state.withLock { $0.deliveries = [] }
  }

  /// No more will come. What is there can still be taken; after it comes `outcome`.
  func finish(_ outcome: Outcome) {
    let waiters = state.withLock { state in
      if state.end == nil { state.end = outcome }
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.continuation.resume(returning: outcome) }
  }

  /// All that is there, or, if nothing is, what comes next. `nil` at the end, or if the task is
  /// cancelled.
  func next() async throws(AMQPError) -> [Delivery]? {
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    let outcome: Outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let immediate = state.withLock { state -> Outcome? in
          if !state.deliveries.isEmpty {
            defer { state.deliveries = [] }
            return .success(state.deliveries)
          }
          if let end = state.end { return end }
          // Asked under the lock: a cancellation that comes later finds the waiter.
          if Task.isCancelled { return .success(nil) }
          state.waiters.append((id, continuation))
          return nil
        }
        if let immediate { continuation.resume(returning: immediate) }
      }
    } onCancel: {
      let waiter = state.withLock { state -> CheckedContinuation<Outcome, Never>? in
        guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
        return state.waiters.remove(at: index).continuation
      }
      waiter?.resume(returning: .success(nil))
    }
    return try outcome.get()
  }
}
