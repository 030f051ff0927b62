import Dispatch
import Jobs
import Synchronization

/// Deadlines, the earliest first: a pure value. What is cancelled is gone at once, so that it never holds more than what is
/// still waited for.
struct DeadlineHeap<Action: Sendable>: Sendable {
  private struct Entry: Sendable {
    let id: UInt64
    let time: UInt64
    let action: Action
  }

  private var entries: [Entry] = []
  /// Where each one is among the entries.
  private var places: [UInt64: Int] = [:]
  private var lastID: UInt64 = 0

  var count: Int { entries.count }

  /// When the first one is due; `nil` when there is none.
  var earliest: UInt64? { entries.first?.time }

  /// - Returns: what to cancel it by.
  mutating func insert(_ action: Action, at time: UInt64) -> UInt64 {
    lastID += 1
    entries.append(Entry(id: lastID, time: time, action: action))
    places[lastID] = entries.count - 1
    rise(from: entries.count - 1)
    return lastID
  }

  /// Does nothing when it has been taken or cancelled before.
  mutating func cancel(_ id: UInt64) {
    if let place = places[id] { _ = remove(at: place) }
  }

  /// Takes out all that are due, in their order.
  mutating func takeDue(at now: UInt64) -> [Action] {
    var due: [Action] = []
    while let first = entries.first, first.time <= now { due.append(remove(at: 0).action) }
    return due
  }

  private mutating func remove(at place: Int) -> Entry {
    let removed = entries[place]
    places[removed.id] = nil
    let last = entries.removeLast()
    if place < entries.count {
      entries[place] = last
      places[last.id] = place
      rise(from: place)
      sink(from: place)
    }
    return removed
  }

  private mutating func rise(from start: Int) {
    var place = start
    while place > 0, isEarlier(place, (place - 1) / 2) {
      exchange(place, (place - 1) / 2)
      place = (place - 1) / 2
    }
  }

  private mutating func sink(from start: Int) {
    var place = start
    while true {
      var first = place
      for child in [2 * place + 1, 2 * place + 2]
      where child < entries.count && isEarlier(child, first) {
        first = child
      }
      guard first != place else { return }
      exchange(place, first)
      place = first
    }
  }

  /// Of the same time, the one that came first is the earlier.
  private func isEarlier(_ left: Int, _ right: Int) -> Bool {
    (entries[left].time, entries[left].id) < (entries[right].time, entries[right].id)
  }

  private mutating func exchange(_ left: Int, _ right: Int) {
    entries.swapAt(left, right)
    places[entries[left].id] = left
    places[entries[right].id] = right
  }
}

/// All time-outs of a worker, on one timer.
///
/// A cancelled `Task.sleep` stays with the executor until it would have been due, ten minutes later maybe, and there is one
/// for each job: a busy worker would grow by that. Here a cancelled deadline is gone.
package final class DeadlineQueue: Sendable {
  package typealias Action = @Sendable () -> Void

  /// A deadline that can be cancelled.
  package struct ID: Sendable, Hashable {
    fileprivate let number: UInt64
  }

  private struct State {
    var heap = DeadlineHeap<Action>()
    /// `nil` for one that is moved by hand.
    let timer: (any DispatchSourceTimer)?
    /// For when the timer is set. It may ring early, when what it was set for is gone.
    var isSetFor = UInt64.max
    /// What time it is, of one that is moved by hand.
    var time: UInt64 = 0
  }

  private let state: Mutex<State>
  private let isMovedByHand: Bool

  /// One on the machine's clock.
  package init() {
    let timer = DispatchSource.makeTimerSource(
      queue: DispatchQueue(label: "warren.worker.deadlines"))
    timer.schedule(deadline: .distantFuture)
    state = Mutex(State(timer: timer))
    isMovedByHand = false
    state.withLock { state in
      state.timer?.setEventHandler { [weak self] in self?.ring() }
      state.timer?.resume()
    }
  }

  private init(movedByHand: Void) {
    state = Mutex(State(timer: nil))
    isMovedByHand = true
  }

  /// One whose time stands still until ``move(by:)``: for tests, which wait for no clock.
  package static func movedByHand() -> DeadlineQueue { DeadlineQueue(movedByHand: ()) }

  deinit { state.withLock { $0.timer?.cancel() } }

  /// How many are waited for.
  var count: Int { state.withLock(\.heap.count) }

  /// The time that deadlines go by, in nanoseconds.
  var now: UInt64 {
    isMovedByHand ? state.withLock(\.time) : DispatchTime.now().uptimeNanoseconds
  }

  /// Does something after some time, unless it is cancelled before. What is done must not take long: others wait for it.
  package func after(_ duration: Duration, do action: @escaping Action) -> ID {
    let milliseconds = UInt64(clamping: min(max(duration, .zero), .longest).milliseconds)
    return state.withLock { state in
      // A deadline is never early: where time goes by itself, what is below a millisecond is a whole one.
      let time =
        state.timer == nil
        ? state.time + milliseconds * 1_000_000
        : DispatchTime.now().uptimeNanoseconds + (milliseconds + 1) * 1_000_000
      let id = state.heap.insert(action, at: time)
      Self.set(&state)
      return ID(number: id)
    }
  }

  /// Forgets a deadline; one that is over already, too.
  package func cancel(_ id: ID?) {
    guard let id else { return }
    // The timer stays as it is: it rings once for nothing, at most.
    state.withLock { $0.heap.cancel(id.number) }
  }

  private func ring() {
    let due = state.withLock { state in
      let due = state.heap.takeDue(at: DispatchTime.now().uptimeNanoseconds)
      state.isSetFor = .max
      Self.set(&state)
      return due
    }
    for action in due { action() }
  }

  private static func set(_ state: inout State) {
    guard let timer = state.timer, let earliest = state.heap.earliest, earliest < state.isSetFor
    else { return }
    state.isSetFor = earliest
    timer.schedule(
      deadline: DispatchTime(uptimeNanoseconds: earliest), leeway: .milliseconds(1))
  }
}

// MARK: Time that is moved by hand

extension DeadlineQueue {
  /// How much time has passed.
  package var elapsed: Duration { state.withLock { .nanoseconds(Int64(clamping: $0.time)) } }

  /// How long until the first deadline; `nil` when there is none.
  package var untilFirst: Duration? {
    state.withLock { state in
      state.heap.earliest.map { .nanoseconds(Int64(clamping: $0 - min($0, state.time))) }
    }
  }

  /// Lets time pass, and does what is due by then: in its order, each at its own time.
  package func move(by duration: Duration) {
    let target = state.withLock { state in
      state.time + UInt64(clamping: min(max(duration, .zero), .longest).milliseconds) * 1_000_000
    }
    while let due = take(until: target) { for action in due { action() } }
  }

  /// - Returns: what is due first; `nil` when there is nothing more by then.
  private func take(until target: UInt64) -> [Action]? {
    state.withLock { state in
      guard let earliest = state.heap.earliest, earliest <= target else {
        state.time = max(state.time, target)
        return nil
      }
      state.time = max(state.time, earliest)
      return state.heap.takeDue(at: state.time)
    }
  }
}
