import AMQP
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

/// Compares how many jobs are due with how many tickets the broker has, and has those published that are missing: at the
/// start, after each reconnection, and now and then for queues with due jobs that nobody claims from. An operator may have purged or
/// deleted a queue, and what was to be published before a crash was not noted anywhere.
struct TicketReconciliation<Broker: MessageBroker>: Service {
  static var interval: Duration { .seconds(5) }

  let store: any JobStore
  let plan: DispatchPlan
  let claims: ClaimCounts
  let parked: ParkedWorkers
  let broker: Broker
  let names: TransportNames
  /// Raised when everything is to be looked at: the broker is there again.
  let again: Signal
  let clock: any ServerClock
  let log: ServerLog
  /// Has the workers subscribe to a queue anew.
  var renew: @Sendable (JobQueueName) async -> Void = { _ in }

  func run() async throws {
    await cancelWhenGracefulShutdown {
      // Of each queue, how often it had been claimed from when jobs of it were found to be due.
      var idle: [JobQueueName: Int] = [:]
      var isFirst = true
      while !Task.isCancelled {
        let begin = clock.uptime
        if !isFirst { await again.wait(atMost: Self.interval, clock: clock) }
        let isEverything = isFirst || clock.uptime - begin < Self.interval
        guard !Task.isCancelled else { return }
        do {
          idle = try await reconcile(idle, everything: isEverything)
          isFirst = false
        } catch {
          idle = [:]
          log.count(\.storeFailures)
          log.burst(.warning, "tickets could not be counted", ["error": "\(error)"])
          guard (try? await clock.sleep(for: RetryPauses.brief.first)) != nil else { return }
        }
      }
    }
  }

  /// - Parameter everything: whether queues that are claimed from are looked at as well.
  /// - Returns: the queues with due jobs, and how often each had been claimed from.
  private func reconcile(
    _ idle: [JobQueueName: Int], everything: Bool
  ) async throws(StoreError) -> [JobQueueName: Int] {
    let before = idle
    let due = try await store.due()
    let queues = Dictionary(grouping: due, by: \.queue)
    var claimed: [JobQueueName: Int] = [:]
    var suspects: [JobQueueName] = []
    for queue in queues.keys {
      claimed[queue] = claims[queue]
      if everything || before[queue] == claimed[queue] { suspects.append(queue) }
    }
    // Whoever was woken may be gone, and whoever was to be told to park may have been told too late.
    for queue in suspects { parked.wake(for: queues[queue] ?? []) }
    await withDiscardingTaskGroup { group in
      for queue in suspects {
        let count = queues[queue]?.map(\.count).reduce(0, +) ?? 0
        group.addTask { await reconcile(queue, due: count, isAudit: !everything) }
      }
    }
    return claimed
  }

  private func reconcile(_ queue: JobQueueName, due: Int, isAudit: Bool) async {
    do {
      let owed = plan.owed(to: queue)
      let missing = due - owed - (try await ready(in: queue))
      guard missing > 0 else { return }
      log.burst(
        isAudit ? .notice : .info, "tickets are missing and are published",
        ["queue": "\(names.queue(queue))", "count": "\(missing)", "due": "\(due)"])
      // A quorum queue that is deleted and declared again in one breath may keep consumers in its books to which it never
      // delivers (seen with RabbitMQ 3.10).
      if isAudit { await renew(queue) }
      plan.owe(missing, to: queue)
    } catch {
      log.burst(
        .warning, "the tickets of a queue could not be counted",
        ["queue": "\(names.queue(queue))", "error": "\(error)"])
    }
  }

  private func ready(in queue: JobQueueName) async throws(AMQPError) -> Int {
    do {
      return Int(try await broker.inspect(queue: names.queue(queue)).messages)
    } catch .channelClosed(404, _) {
      log.burst(
        .warning, "a queue is gone and is declared again", ["queue": "\(names.queue(queue))"])
      try await broker.declare(
        JobTopology.work(names, queues: [queue], broker: broker.brokerVersion))
      return 0
    }
  }
}
