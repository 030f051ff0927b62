import AMQP
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

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
