import AMQP
import JobTransport
import Jobs
import Logging
import ServiceLifecycle
import Synchronization

/// Publishes a ticket for each job that becomes due: the commit says how many, the broker takes them.
///
/// Nothing is stored of a ticket. One too many does no harm, since whoever holds it finds nothing to run; what is missing is
/// found by ``TicketReconciliation``. Each queue is served by itself: one that the broker does not take tickets for is
/// left alone for a while and holds up no other.
struct Dispatcher<Broker: MessageBroker>: Service {
  let store: any JobStore
  let plan: DispatchPlan
  let broker: Broker
  let names: TransportNames
  let clock: any ServerClock
  let log: ServerLog
  /// Whether the broker fails over whoever consumes from a queue, as is found out on a connection of its own.
  var isBroken: @Sendable (String) async -> Bool = { _ in false }
  /// Has the workers subscribe to a queue anew.
  var renew: @Sendable (JobQueueName) async -> Void = { _ in }
  /// The most tickets of one batch of publications.
  var batchLimit = 1000
  /// The most jobs that become due in one transaction.
  var promotionLimit = 1000

  func run() async throws {
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        while !Task.isCancelled {
          // One look at the clocks a turn: a pause that ends meanwhile must not be missed.
          let uptime = clock.uptime
          let now = clock.now
          plan.follow(await broker.generation)
          let retry = await promote(at: now)
          for (queue, count) in plan.take(atMost: batchLimit, at: uptime) {
            group.addTask { await issue(count, in: queue) }
          }
          let next = plan.nextDue.map { min(max($0 - now, .zero), .seconds(60)) }
          let pause = [retry ?? next, plan.nextAttempt(after: uptime)].compactMap { $0 }.min()
          await plan.wait(atMost: pause, clock: clock)
        }
      }
    }
  }

  /// Has jobs become due whose time has come; the plan is told of them by the commit.
  ///
  /// - Returns: how long to wait before the store is asked again, if it failed.
  private func promote(at now: Timestamp) async -> Duration? {
    guard let next = plan.nextDue, next <= now else { return nil }
    plan.beginPromotion()
    do {
      plan.endPromotion(next: try await store.promote(at: now, limit: promotionLimit))
      return nil
    } catch {
      plan.endPromotion(next: next)
      log.count(\.storeFailures)
      log.burst(.error, "jobs cannot become due now", ["error": "\(error)"])
      return RetryPauses.brief.first
    }
  }

  private func issue(_ count: Int, in queue: JobQueueName) async {
    let ticket = Publication(
      WireCoding.ticket(), exchange: names.work, routingKey: queue.rawValue, mandatory: true)
    let verdicts = await broker.publish(
      Array(repeating: ticket, count: count), timeout: .seconds(10))
    let confirmed = verdicts.count { $0 == .confirmed }
    if confirmed < count {
      log.count(\.refusedTickets, count - confirmed)
      let verdict = verdicts.first { $0 != .confirmed }
      log.burst(
        .notice, "tickets were not confirmed and are issued again",
        ["queue": "\(names.queue(queue))", "verdict": "\(verdict.map { "\($0)" } ?? "none")"])
    }
    if verdicts.contains(where: { if case .returned = $0 { true } else { false } }) {
      await declare(queue)
    }
    let isNacked = !verdicts.isEmpty && verdicts.allSatisfy { $0 == .nacked }
    if plan.noteNacked(queue, isNacked, at: clock.uptime) >= Self.suspicion {
      await replaceBroken(queue)
    }
    plan.end(queue, missing: count - confirmed, at: clock.uptime)
  }

  /// How long a queue has to refuse everything before it is looked at whether its process is gone: longer than one takes to
  /// find a leader, or to read its log after a restart.
  private static var suspicion: Duration { .seconds(15) }

  /// Makes a queue anew whose process is gone, as after a deletion that a crash of the broker has cut short: it heals by nothing
  /// else. That it seems to be empty is no proof, since RabbitMQ says so of every quorum queue without a leader; that the broker
  /// fails over whoever consumes from it is. (One whose other nodes are away it does not delete.)
  private func replaceBroken(_ queue: JobQueueName) async {
    let name = names.queue(queue)
    do {
      let info = try await broker.inspect(queue: name)
      guard info.messages == 0, info.consumers == 0, await isBroken(name) else { return }
      try await broker.delete(queue: name)
      try await broker.declare(
        JobTopology.work(names, queues: [queue], broker: broker.brokerVersion))
      await renew(queue)
      log.burst(
        .error, "the process of a queue was gone; it has been made anew",
        ["queue": "\(name)"])
    } catch {
      log.burst(
        .error, "the process of a queue is gone, and it cannot be made anew",
        ["queue": "\(name)", "error": "\(error)"])
    }
  }

  private func declare(_ queue: JobQueueName) async {
    log.burst(
      .warning, "a queue was missing and is declared again", ["queue": "\(names.queue(queue))"])
    do {
      try await broker.declare(
        JobTopology.work(names, queues: [queue], broker: broker.brokerVersion))
    } catch {
      log.burst(
        .error, "a queue cannot be declared; its jobs wait",
        ["queue": "\(names.queue(queue))", "error": "\(error)"])
    }
  }
}

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
