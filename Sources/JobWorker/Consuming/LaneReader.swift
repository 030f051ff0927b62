import AMQP
import JobTransport
import Jobs
import Logging

/// Reads one queue. Each ticket is handled by a task of its own; the prefetch bounds how many there are.
struct LaneReader<Authority: JobAuthority>: Sendable {
  let lane: Lane
  let connection: Connection
  let names: TransportNames
  let tickets: TicketDesk<Authority>
  let strays: StrayDesk
  let lifecycle: WorkerLifecycle
  let logger: Logger

  /// Returns when the worker takes on no more jobs and has dealt with those that it has.
  func run() async {
    do {
      try await read()
    } catch {
      lifecycle.fail(error)
    }
  }

  private func read() async throws {
    let subscription = Subscription(
      queue: names.queue(lane.queue.name), prefetch: UInt16(clamping: lane.queue.capacity))
    guard
      let consumer = try await connection.subscribe(subscription, until: lifecycle, logger: logger)
    else { return }
    lane.open(consumer)
    try await withThrowingTaskGroup { group in
      group.addTask {
        await lifecycle.reached(.draining)
        await consumer.cancel()
      }
      defer { group.cancelAll() }
      try await take(from: consumer)
    }
  }

  private func take(from consumer: Consumer) async throws {
    let failure: (any Error)? = await withDiscardingTaskGroup { group in
      do {
        for try await deliveries in consumer { sort(deliveries, into: &group) }
        return nil
      } catch {
        // Jobs that run are not to suffer for it.
        lifecycle.fail(error)
        return error
      }
    }
    if let failure { throw failure }
  }

  private func sort(_ deliveries: [Delivery], into group: inout DiscardingTaskGroup) {
    var others: [Delivery] = []
    var unknown: [Delivery] = []
    for delivery in deliveries {
      guard let ticket = ticket(in: delivery) else {
        others.append(delivery)
        continue
      }
      guard tickets.registry.types[ticket.type] != nil else {
        unknown.append(delivery)
        continue
      }
      let received = ReceivedTicket(ticket: ticket, queue: lane.queue.name, tag: delivery.tag)
      group.addTask { await tickets.handle(received, in: lane.slots) }
    }
    if !others.isEmpty { group.addTask { [others] in await strays.sort(others, in: lane) } }
    if !unknown.isEmpty { group.addTask { [unknown] in await strays.passOn(unknown, in: lane) } }
  }

  private func ticket(in delivery: Delivery) -> Ticket? {
    do {
      return try WireCoding.ticket(delivery.message)
    } catch {
      logger.warning("a ticket cannot be read", metadata: ["error": "\(error)"])
      return nil
    }
  }
}
