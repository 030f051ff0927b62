import AMQP
import JobTransport
import Jobs
import Logging

/// Deals with what lies in a work queue and is no ticket: job messages that somebody published there by hand become jobs,
/// all else becomes dead letters.
struct HandPublishedMessages: Sendable {
  /// How long what the broker does not take is held before it goes back: at once, it would turn in a tight circle.
  private static let hold = Duration.seconds(1)

  let publishing: Connection
  let names: TransportNames
  let deadLetters: DeadLetterPublisher<Connection>
  let lifecycle: WorkerLifecycle
  let logger: Logger

  /// Settles all of them.
  func handle(
    _ deliveries: [Delivery], from queue: JobQueueName, of consumer: any MessageConsumer
  ) async {
    var wishes: [Delivery] = []
    var letters: [DeadLetter.Letter] = []
    for delivery in deliveries {
      do {
        _ = try JobMessage.submission(delivery.message)
        wishes.append(delivery)
      } catch {
        letters.append(
          .init(
            delivery, reason: "not-a-ticket",
            explanation: "this is neither a ticket of Warren's nor a job message: \(error)"))
      }
    }
    await forward(wishes, from: queue, of: consumer)
    await deadLetters.publish(letters, foundIn: names.queue(queue), of: consumer)
  }

  /// Publishes job messages to the intake and, what the broker has confirmed, acknowledges. The rest goes back.
  private func forward(
    _ deliveries: [Delivery], from queue: JobQueueName, of consumer: any MessageConsumer
  ) async {
    guard !deliveries.isEmpty else { return }
    let verdicts = await publishing.publish(
      deliveries.map { delivery in
        Publication(
          DeadLetter.forwarded(delivery.message), exchange: names.submit, routingKey: "",
          mandatory: true)
      })
    var moved: [DeliveryTag] = []
    var kept: [DeliveryTag] = []
    for (delivery, verdict) in zip(deliveries, verdicts) {
      if verdict == .confirmed {
        moved.append(delivery.tag)
      } else {
        logger.warning(
          "a job message could not be passed on to the intake; it stays in its queue",
          metadata: ["queue": "\(names.queue(queue))", "verdict": "\(verdict)"])
        kept.append(delivery.tag)
      }
    }
    await consumer.ack(moved)
    guard !kept.isEmpty else { return }
    _ = await lifecycle.reached(.draining, within: Self.hold)
    await consumer.nack(kept, requeue: true)
  }
}
