import Synchronization

/// How much has come for all consumers of a connection, and has been taken by nobody. Above the
/// limit the connection is not read; below half of it, it is again.
final class ReceiveBudget: Sendable {
  private struct State {
    var used = 0
    var isExceeded = false
  }

  let limit: Int
  private let state = Mutex(State())
  private let onRoom: @Sendable () -> Void

  /// `onRoom` is called when there is room again.
  init(limit: Int, onRoom: @escaping @Sendable () -> Void) {
    self.limit = limit
    self.onRoom = onRoom
  }

  /// How many bytes have come and not been taken.
  var used: Int { state.withLock { $0.used } }

  /// Whether nothing more should come.
  var isExceeded: Bool { state.withLock { $0.isExceeded } }

  /// Notes what has come.
  func add(_ bytes: Int) {
    state.withLock { state in
      state.used += bytes
      if state.used > limit { state.isExceeded = true }
    }
  }

  /// Notes what has been taken, or dropped.
  func remove(_ bytes: Int) {
    guard bytes > 0 else { return }
    let hasRoom = state.withLock { state in
      state.used -= bytes
      guard state.isExceeded, state.used <= limit / 2 else { return false }
      state.isExceeded = false
      return true
    }
    if hasRoom { onRoom() }
  }
}

/// Deliveries on their way from the connection's thread to the consumer's task.
final class DeliveryBuffer: Sendable {
  typealias Outcome = Result<[Delivery]?, AMQPError>

  private struct State {
    var deliveries: [Delivery] = []
    /// What `deliveries` take, as counted by `budget`.
    var bytes = 0
    var waiters: [(id: UInt64, continuation: CheckedContinuation<Outcome, Never>)] = []
    var nextID: UInt64 = 0
    var end: Outcome?
  }

  private let state = Mutex(State())
  private let budget: ReceiveBudget?

  init(budget: ReceiveBudget? = nil) { self.budget = budget }

  deinit { budget?.remove(state.withLock { $0.bytes }) }

  /// Adds what has come, which takes that many bytes, and wakes whoever has waited longest.
  func append(_ deliveries: [Delivery], bytes: Int = 0) {
    let waiter = state.withLock { state -> CheckedContinuation<Outcome, Never>? in
      guard state.end == nil else { return nil }
      guard !state.waiters.isEmpty else {
        if state.deliveries.isEmpty {
          state.deliveries = deliveries
        } else {
          state.deliveries += deliveries
        }
        state.bytes += bytes
        budget?.add(bytes)
        return nil
      }
      return state.waiters.removeFirst().continuation
    }
    waiter?.resume(returning: .success(deliveries))
  }

  /// Drops what nobody has taken: the broker has taken it back.
  func removeAll() {
    let bytes = state.withLock { state in
      state.deliveries = []
      defer { state.bytes = 0 }
      return state.bytes
    }
    budget?.remove(bytes)
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

  private func take(_ state: inout State) -> (deliveries: [Delivery], bytes: Int)? {
    guard !state.deliveries.isEmpty else { return nil }
    defer {
      state.deliveries = []
      state.bytes = 0
    }
    return (state.deliveries, state.bytes)
  }

  /// All that is there, or, if nothing is, what comes next. `nil` at the end, or if the task is
  /// cancelled.
  func next() async throws(AMQPError) -> [Delivery]? {
    // Mostly something is there: then there is no need to prepare for a wait.
    let (taken, id) = state.withLock { state in
      state.nextID += 1
      return (take(&state), state.nextID)
    }
    if let taken {
      budget?.remove(taken.bytes)
      return taken.deliveries
    }
    let outcome: Outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        var bytes = 0
        let immediate = state.withLock { state -> Outcome? in
          if let taken = take(&state) {
            bytes = taken.bytes
            return .success(taken.deliveries)
          }
          if let end = state.end { return end }
          // Asked under the lock: a cancellation that comes later finds the waiter.
          if Task.isCancelled { return .success(nil) }
          state.waiters.append((id, continuation))
          return nil
        }
        budget?.remove(bytes)
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
