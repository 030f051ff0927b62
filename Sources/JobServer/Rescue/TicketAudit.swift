import AMQP
import JobStore
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

/// Notices tickets that have been lost with their queue, purged or deleted by an operator: compares, now and then, how many
/// are out with how many the broker has. What seems to be lost is issued again; a ticket too many does no harm.
struct TicketAudit: Service {
  /// How often it compares. A loss is believed when it is seen twice.
  static let interval = Duration.seconds(5)

  let store: StatusStore
  let directory: WorkerDirectory
  let control: WorkerControl
  let connection: Connection
  let names: TransportNames
  let work: Signal
  let logger: Logger

  func run() async throws {
    await cancelWhenGracefulShutdown {
      var suspects: [JobQueueName: Timestamp] = [:]
      while (try? await Task.sleep(for: Self.interval)) != nil {
        do {
          suspects = try await audit(suspects)
        } catch {
          suspects = [:]
          logger.warning("tickets could not be audited", metadata: ["error": "\(error)"])
        }
      }
    }
  }

  /// - Parameter suspects: the queues that seemed to have lost tickets the last time, and when that was.
  /// - Returns: those that seem to have now.
  private func audit(
    _ suspects: [JobQueueName: Timestamp]
  ) async throws -> [JobQueueName: Timestamp] {
    var found: [JobQueueName: Timestamp] = [:]
    for (queue, issued) in try await store.issuedCounts() {
      let now = Timestamp.now
      let ready = try await self.ready(in: queue)
      guard isSuspicious(issued: issued, ready: ready, queue) else { continue }
      guard let since = suspects[queue] else {
        found[queue] = now
        continue
      }
      // Those that have waited since then: the newer ones may be on their way.
      let stale = try await store.forgetTickets(in: queue, issuedBefore: since) { stale in
        isSuspicious(issued: stale, ready: ready, queue)
      }
      guard stale > 0 else { continue }
      logger.notice(
        "tickets seem to be lost and are issued again",
        metadata: ["queue": "\(names.queue(queue))", "count": "\(stale)", "ready": "\(ready)"])
      // A quorum queue that is deleted and declared again in one breath may keep consumers in its books to which it never
      // delivers (seen with RabbitMQ 3.10).
      await control.renew(queue)
      work.raise()
    }
    return found
  }

  /// Workers may have as many in their hands as they have slots. When the broker has none at all, the ones in their hands
  /// would have been claimed by the next time.
  private func isSuspicious(issued: Int, ready: Int, _ queue: JobQueueName) -> Bool {
    issued > ready + directory.capacity(for: queue) || (ready == 0 && issued > 0)
  }

  private func ready(in queue: JobQueueName) async throws(AMQPError) -> Int {
    do {
      return Int(try await connection.inspect(queue: names.queue(queue)).messages)
    } catch .channelClosed(404, _) {
      logger.warning(
        "a queue is gone and is declared again", metadata: ["queue": "\(names.queue(queue))"])
      try await connection.declare(JobTopology.work(names, queues: [queue]))
      return 0
    }
  }
}
