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
    let failure = await withTaskGroup(of: (any Error)?.self) { group in
      group.addTask {
        await lifecycle.reached(.draining)
        await lane.end()
        return nil
      }
      group.addTask { await subscribe() }
      var failure: (any Error)?
      for await result in group { failure = failure ?? result }
      return failure
    }
    if let failure { throw failure }
  }

  /// Opens consumers for as long as the worker takes jobs, and reads them to their ends.
  private func subscribe() async -> (any Error)? {
    await withTaskGroup(of: (any Error)?.self) { group in
      for await _ in lane.openings {
        guard lifecycle.phase == .working, let (source, prefetch) = lane.open() else { continue }
        let subscription = Subscription(
          queue: names.queue(lane.queue.name), prefetch: UInt16(clamping: prefetch))
        do {
          guard
            let consumer = try await connection.subscribe(
              subscription, until: lifecycle, logger: logger)
          else { break }
          await lane.opened(consumer, as: source)
          group.addTask { await take(from: consumer, source) }
        } catch {
          // Jobs that run are not to suffer for it.
          lifecycle.fail(error)
          group.addTask { error }
        }
      }
      // One may have been opened while the worker was told to end.
      await lane.end()
      var failure: (any Error)?
      for await result in group { failure = failure ?? result }
      return failure
    }
  }

  private func take(from consumer: Consumer, _ source: Int) async -> (any Error)? {
    await withDiscardingTaskGroup { group in
      do {
        for try await deliveries in consumer { sort(deliveries, source, into: &group) }
        return nil
      } catch {
        lifecycle.fail(error)
        return error
      }
    }
  }

  private func sort(
    _ deliveries: [Delivery], _ source: Int, into group: inout DiscardingTaskGroup
  ) {
    lane.delivered(deliveries.count, by: source)
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
      let received = ReceivedTicket(
        ticket: ticket, queue: lane.queue.name, source: source, tag: delivery.tag)
      group.addTask { await tickets.handle(received, in: lane.slots) }
    }
    if !others.isEmpty {
      group.addTask { [others] in await strays.sort(others, in: lane, source) }
    }
    if !unknown.isEmpty {
      group.addTask { [unknown] in await strays.passOn(unknown, in: lane, source) }
    }
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
