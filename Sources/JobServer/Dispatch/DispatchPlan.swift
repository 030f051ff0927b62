import Jobs
import Synchronization

/// How many tickets each queue is to be given, and when the next job becomes due. Nothing of it is stored: what is lost with
/// the process is found again by comparing how many jobs are due with how many tickets the broker has.
final class DispatchPlan: Sendable {
  private struct State {
    var generation: UInt64 = 0
    var owed: [JobQueueName: Int] = [:]
    /// How many tickets are being published, by queue.
    var underWay: [JobQueueName: Int] = [:]
    /// Queues that did not take all their tickets.
    var refused = RetrySchedule<JobQueueName>(.brief)
    /// Queues that have been refusing everything, and since when.
    var nackedSince: [JobQueueName: Duration] = [:]
    /// When the store has to be asked for jobs whose time has come.
    var nextDue: Timestamp? = Timestamp(milliseconds: .min)
  }

  private let state = Mutex(State())
  private let work = Signal()

  /// Takes what a commit tells.
  func note(_ commit: StoreCommit) {
    guard !commit.due.isEmpty || commit.nextDue != nil else { return }
    state.withLock { state in
      for due in commit.due { state.owed[due.queue, default: 0] += due.count }
      if let next = commit.nextDue { state.nextDue = min(state.nextDue ?? next, next) }
    }
    work.raise()
  }

  func owe(_ count: Int, to queue: JobQueueName) {
    guard count > 0 else { return }
    state.withLock { $0.owed[queue, default: 0] += count }
    work.raise()
  }

  /// How many tickets of a queue the broker has not confirmed yet.
  func owed(to queue: JobQueueName) -> Int {
    state.withLock { ($0.owed[queue] ?? 0) + ($0.underWay[queue] ?? 0) }
  }

  /// Has the dispatcher look again.
  func wake() {
    work.raise()
  }

  func wait(atMost pause: Duration?, clock: any ServerClock) async {
    await work.wait(atMost: pause, clock: clock)
  }

  /// Takes note of which connection to the broker is up: what one refused, a new one may take.
  func follow(_ generation: UInt64) {
    state.withLock { state in
      guard state.generation != generation else { return }
      state.generation = generation
      state.refused.clear()
    }
  }

  // MARK: Jobs for later

  /// When jobs become due next; `nil` when none is for later.
  var nextDue: Timestamp? { state.withLock { $0.nextDue } }

  /// The store is about to be asked: what is stored from now on for an earlier time comes on top of its answer.
  func beginPromotion() {
    state.withLock { $0.nextDue = nil }
  }

  /// - Parameter next: what the store has answered.
  func endPromotion(next: Timestamp?) {
    guard let next else { return }
    state.withLock { $0.nextDue = min($0.nextDue ?? next, next) }
  }

  // MARK: Tickets

  /// The queues that may be given tickets now, and how many; they count as under way until ``end(_:missing:at:)``.
  func take(atMost limit: Int, at uptime: Duration) -> [JobQueueName: Int] {
    state.withLock { state in
      var taken: [JobQueueName: Int] = [:]
      for (queue, owed) in state.owed
      where state.underWay[queue] == nil && !state.refused.isWaiting(queue, at: uptime) {
        taken[queue] = min(owed, limit)
        state.underWay[queue] = min(owed, limit)
        state.owed[queue] = owed > limit ? owed - limit : nil
      }
      return taken
    }
  }

  /// - Parameter missing: how many tickets the broker did not confirm.
  func end(_ queue: JobQueueName, missing: Int, at uptime: Duration) {
    state.withLock { state in
      state.underWay[queue] = nil
      if missing > 0 {
        state.owed[queue, default: 0] += missing
        state.refused.fail(queue, at: uptime)
      } else {
        state.refused.succeed(queue)
      }
    }
    work.raise()
  }

  /// How long until a queue that refused tickets is tried again.
  func nextAttempt(after uptime: Duration) -> Duration? {
    state.withLock { $0.refused.next(after: uptime) }
  }

  /// - Returns: for how long the queue has been nacking everything.
  func noteNacked(_ queue: JobQueueName, _ isNacked: Bool, at uptime: Duration) -> Duration {
    state.withLock { state in
      guard isNacked else {
        state.nackedSince[queue] = nil
        return .zero
      }
      let since = state.nackedSince[queue] ?? uptime
      state.nackedSince[queue] = since
      return uptime - since
    }
  }
}
