import AMQP
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

/// Publishes every transition to the topic exchange of events, in order.
struct EventPublisher<Broker: MessageBroker>: Service {
  let queue: EventQueue
  let broker: Broker
  let names: TransportNames
  let log: ServerLog

  func run() async throws {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        let (events, lost) = await queue.next()
        if lost > 0 {
          log.count(\.lostEvents, lost)
          log.burst(.warning, "events were not published", ["count": "\(lost)"])
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
        log.burst(.error, "an event cannot be published", ["error": "\(error)"])
      }
    }
    guard !publications.isEmpty else { return }
    let failed = await broker.publish(publications, timeout: .seconds(30)).count {
      $0 != .confirmed
    }
    if failed > 0 {
      log.count(\.lostEvents, failed)
      log.burst(.warning, "events may not have been published", ["count": "\(failed)"])
    }
  }
}
