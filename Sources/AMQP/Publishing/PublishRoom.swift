import Synchronization

/// How many bytes of publications may wait and be in flight at a time. Who comes when there is no
/// room waits in line: that is the back-pressure on publishers.
///
/// It lies outside the connection's actor, so that whoever publishes waits before anything is
/// encoded, and does not go through the connection's thread when there is room.
final class PublishRoom: Sendable {
  private struct Waiter {
    var id: UInt64
    var cost: Int
    var continuation: CheckedContinuation<Bool, Never>
  }

  private struct State {
    var used = 0
    var lastID: UInt64 = 0
    var waiters = FIFO<Waiter>()
    var isClosed = false
  }

  let limit: Int
  private let state = Mutex(State())

  init(limit: Int) { self.limit = limit }

  /// How many stand in line.
  var waiting: Int { state.withLock { $0.waiters.count } }

  /// How many bytes are taken.
  var used: Int { state.withLock { $0.used } }

  /// Takes room if there is some and nobody waits for it. What alone is more than the limit gets in
  /// when all is free.
  func take(_ cost: Int) -> Bool {
    state.withLock { state in
      guard state.isClosed || (state.waiters.isEmpty && fits(cost, state)) else { return false }
      state.used += cost
      return true
    }
  }

  /// Takes room once there is some. `schedule` is given what ends the wait, to be called when the
  /// time is up; then the answer is false.
  func wait(
    _ cost: Int, schedule: (_ giveUp: @escaping @Sendable () -> Void) -> Void
  ) async -> Bool {
    await withCheckedContinuation { continuation in
      let id = state.withLock { state -> UInt64? in
        if state.isClosed || (state.waiters.isEmpty && fits(cost, state)) {
          state.used += cost
          return nil
        }
        state.lastID += 1
        state.waiters.append(Waiter(id: state.lastID, cost: cost, continuation: continuation))
        return state.lastID
      }
      guard let id else {
        continuation.resume(returning: true)
        return
      }
      schedule { [weak self] in self?.giveUp(id) }
    }
  }

  /// Gives room back.
  func free(_ cost: Int) {
    let next = state.withLock { state in
      state.used -= cost
      return admit(&state)
    }
    for waiter in next { waiter.continuation.resume(returning: true) }
  }

  /// All get in from now on, to be told that nothing is published any more.
  func close() {
    let all = state.withLock { state in
      state.isClosed = true
      return admit(&state)
    }
    for waiter in all { waiter.continuation.resume(returning: true) }
  }

  private func giveUp(_ id: UInt64) {
    let (waiter, next) = state.withLock { state -> (Waiter?, [Waiter]) in
      var found: Waiter?
      var rest = FIFO<Waiter>()
      for waiter in state.waiters.removeAll() {
        if waiter.id == id { found = waiter } else { rest.append(waiter) }
      }
      state.waiters = rest
      return (found, admit(&state))
    }
    waiter?.continuation.resume(returning: false)
    for waiter in next { waiter.continuation.resume(returning: true) }
  }

  private func fits(_ cost: Int, _ state: State) -> Bool {
    state.used == 0 || state.used + cost <= limit
  }

  private func admit(_ state: inout State) -> [Waiter] {
    var admitted: [Waiter] = []
    while let waiter = state.waiters.first, state.isClosed || fits(waiter.cost, state) {
      _ = state.waiters.popFirst()
      state.used += waiter.cost
      admitted.append(waiter)
    }
    return admitted
  }
}
/// Verdicts that come once, and whoever waits for them.
final class VerdictPromise: Sendable {
  private enum State {
    case open([CheckedContinuation<[PublishVerdict], Never>])
    case given([PublishVerdict])
  }

  private let state = Mutex(State.open([]))

  func give(_ verdicts: [PublishVerdict]) {
    let waiters = state.withLock { state -> [CheckedContinuation<[PublishVerdict], Never>] in
      guard case .open(let waiters) = state else { return [] }
      state = .given(verdicts)
      return waiters
    }
    for waiter in waiters { waiter.resume(returning: verdicts) }
  }

  var value: [PublishVerdict] {
    get async {
      await withCheckedContinuation { continuation in
        let verdicts = state.withLock { state -> [PublishVerdict]? in
          switch state {
          case .given(let verdicts): return verdicts
          case .open(let waiters):
            state = .open(waiters + [continuation])
            return nil
          }
        }
        if let verdicts { continuation.resume(returning: verdicts) }
      }
    }
  }
}
