/// What is to be done later. Belongs to one actor, hence not `Sendable`.
final class Timers {
  private var deadlines = DeadlineQueue<Deadline>()
  private var sweepLimit = 1_024

  /// When something is due.
  var next: ContinuousClock.Instant? { deadlines.next }

  /// Does `action` after `timeout`, unless it is cancelled before. Whatever it holds on to it lets go
  /// of then.
  func schedule(after timeout: Duration, _ action: @escaping () -> Void) -> Deadline {
    // Waits that ended early leave their deadlines behind; sweep before they outnumber the live
    // ones by far.
    if deadlines.count >= sweepLimit {
      sweep()
      sweepLimit = max(1_024, deadlines.count * 2)
    }
    let deadline = Deadline(action)
    deadlines.insert(deadline, at: .now + max(timeout, .zero))
    return deadline
  }

  /// Forgets what has been cancelled.
  func sweep() {
    deadlines.prune { !$0.isPending }
  }

  /// Does what is due.
  func fire() {
    guard deadlines.next != nil else { return }
    let now = ContinuousClock.now
    while let deadline = deadlines.pop(due: now) { deadline.fire() }
  }
}

/// Something to do at a time, unless cancelled before. Belongs to one actor, hence not `Sendable`.
final class Deadline {
  private var action: (() -> Void)?

  init(_ action: @escaping () -> Void) {
    self.action = action
  }

  /// Whether it is neither cancelled nor past.
  var isPending: Bool { action != nil }

  func cancel() { action = nil }

  func fire() {
    guard let action else { return }
    self.action = nil
    action()
  }
}

/// Things to do at their time: a binary heap, the earliest on top. What has become pointless stays
/// until its time, and whoever takes it out finds nothing to do.
struct DeadlineQueue<Item> {
  private var heap: [(deadline: ContinuousClock.Instant, item: Item)] = []

  /// The earliest deadline.
  var next: ContinuousClock.Instant? { heap.first?.deadline }

  /// Adds an item.
  mutating func insert(_ item: Item, at deadline: ContinuousClock.Instant) {
    heap.append((deadline, item))
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].deadline < heap[parent].deadline else { return }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  /// Takes out the earliest item whose deadline is not after `now`.
  mutating func pop(due now: ContinuousClock.Instant) -> Item? {
    guard let top = heap.first, top.deadline <= now else { return nil }
    let last = heap.removeLast()
    if !heap.isEmpty {
      heap[0] = last
      sink()
    }
    return top.item
  }

  /// Removes what `isPointless` says of, so that long deadlines of many short waits do not pile up.
  mutating func prune(_ isPointless: (Item) -> Bool) {
    let kept = heap.filter { !isPointless($0.item) }
    heap.removeAll(keepingCapacity: true)
    for entry in kept { insert(entry.item, at: entry.deadline) }
  }

  /// How many items wait, pointless ones included.
  var count: Int { heap.count }

  private mutating func sink() {
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < heap.count && heap[child].deadline < heap[least].deadline {
        least = child
      }
      guard least != parent else { return }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}
