import AMQP
import JobStore
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

/// Notices tickets that have been lost with their queue, purged or deleted by an operator: compares, now and then, how many
/// are out with how many the broker has. What seems to be lost is issued again; a ticket too many does no harm.
struct TicketAudit<Broker: MessageBroker>: Service {
  /// How often it compares. A loss is believed when it is seen twice.
  static var interval: Duration { .seconds(5) }

  let store: StatusStore
  let directory: WorkerDirectory
  let control: WorkerControl
  let broker: Broker
  let names: TransportNames
  let work: Signal
  let clock: any ServerClock
  let log: ServerLog

  func run() async throws {
    await cancelWhenGracefulShutdown {
      var suspects: [JobQueueName: Timestamp] = [:]
      while (try? await clock.sleep(for: Self.interval)) != nil {
        do {
          suspects = try await audit(suspects)
        } catch {
          suspects = [:]
          log.burst(.warning, "tickets could not be audited", ["error": "\(error)"])
        }
      }
    }
  }

  /// - Parameter suspects: the queues that seemed to have lost tickets the last time, and when that was.
  /// - Returns: those that seem to have now.
  private func audit(
    _ suspects: [JobQueueName: Timestamp]
  ) async throws -> [JobQueueName: Timestamp] {
    let issued = try await store.issuedCounts()
    // A queue of which the broker does not tell is not to keep the others from being audited.
    return await withTaskGroup(of: (JobQueueName, Timestamp?).self) { group in
      for (queue, count) in issued {
        group.addTask { (queue, await audit(queue, issued: count, since: suspects[queue])) }
      }
      var found: [JobQueueName: Timestamp] = [:]
      for await (queue, since) in group { found[queue] = since }
      return found
    }
  }

  /// - Parameter since: when the queue seemed to have lost tickets, if it did the last time.
  /// - Returns: when it seems to have, if it does now for the first time.
  private func audit(
    _ queue: JobQueueName, issued: Int, since: Timestamp?
  ) async -> Timestamp? {
    let now = clock.now
    do {
      let ready = try await self.ready(in: queue)
      guard isSuspicious(issued: issued, ready: ready, queue) else { return nil }
      guard let since else { return now }
      // Those that have waited since then: the newer ones may be on their way.
      let stale = try await store.forgetTickets(in: queue, issuedBefore: since) { stale in
        isSuspicious(issued: stale, ready: ready, queue)
      }
      guard stale > 0 else { return nil }
      log.burst(
        .notice, "tickets seem to be lost and are issued again",
        ["queue": "\(names.queue(queue))", "count": "\(stale)", "ready": "\(ready)"])
    } catch {
      log.burst(
        .warning, "the tickets of a queue could not be audited",
        ["queue": "\(names.queue(queue))", "error": "\(error)"])
      return nil
    }
    // A quorum queue that is deleted and declared again in one breath may keep consumers in its books to which it never
    // delivers (seen with RabbitMQ 3.10).
    await control.renew(queue)
    work.raise()
    return nil
  }

  /// Workers may have as many in their hands as they have slots. When the broker has none at all, the ones in their hands
  /// would have been claimed by the next time.
  private func isSuspicious(issued: Int, ready: Int, _ queue: JobQueueName) -> Bool {
    issued > ready + directory.capacity(for: queue) || (ready == 0 && issued > 0)
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
