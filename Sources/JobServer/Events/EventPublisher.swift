import AMQP
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

/// Publishes every transition to the topic exchange of events, in order.
struct EventPublisher: Service {
  let queue: EventQueue
  let connection: Connection
  let names: TransportNames
  let logger: Logger

  func run() async throws {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        let (events, lost) = await queue.next()
        if lost > 0 {
          logger.warning("events were not published", metadata: ["count": "\(lost)"])
        }
        await publish(events)
      }
    }
  }

  private func publish(_ events: [JobEvent]) async {
    var publications: [Publication] = []
    for event in events {
      do {
        publications.append(
          Publication(
            try WireCoding.message(event), exchange: names.events,
            routingKey: names.eventKey(event)))
      } catch {
        logger.error("an event cannot be published", metadata: ["error": "\(error)"])
      }
    }
    guard !publications.isEmpty else { return }
    let failed = await connection.publish(publications).count { $0 != .confirmed }
    if failed > 0 {
      logger.warning("events may not have been published", metadata: ["count": "\(failed)"])
    }
  }
}
