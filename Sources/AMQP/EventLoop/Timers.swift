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
