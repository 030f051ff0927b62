import AMQP
import JobTransport
import Jobs
import Logging

/// Deals with what comes out of a work queue and is nothing that this worker can run.
struct StrayDesk: Sendable {
  /// How long a ticket of a job type that is unknown here is held before it is passed on.
  private static let hold = Duration.seconds(1)

  let publishing: Connection
  let names: TransportNames
  let deadLetters: DeadLetterPublisher<Connection>
  let lifecycle: WorkerLifecycle
  let logger: Logger

  /// Forwards job messages that were published by hand to the intake; the rest becomes dead letters.
  func sort(_ deliveries: [Delivery], in lane: Lane, _ source: Int) async {
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
    await republish(wishes, in: lane, source) { message in
      Publication(
        DeadLetter.forwarded(message), exchange: names.submit, routingKey: "", mandatory: true)
    }
    if let consumer = lane.consumer(source) {
      await deadLetters.publish(letters, foundIn: names.queue(lane.queue.name), of: consumer)
      lane.settled(letters.count, of: source)
    }
  }

  /// Puts tickets of job types that this worker does not have at the end of their queue.
  ///
  /// Workers with different types may share a queue, so a ticket that is of no use here waits for another worker, and its
  /// job is neither claimed nor failed. Returned to the queue (`basic.nack`) it would come back at once, being its first;
  /// at the end of the queue it lets this worker's own jobs pass, and holding it for about a second bounds what it costs
  /// while nobody else is there: one message a second for each unit of this worker's capacity.
  func passOn(_ deliveries: [Delivery], in lane: Lane, _ source: Int) async {
    let queue = names.queue(lane.queue.name)
    logger.notice(
      "tickets of job types that are unknown here are left to other workers",
      metadata: ["queue": "\(queue)", "count": "\(deliveries.count)"])
    let isEnding = await lifecycle.reached(
      .draining, within: Self.hold * Double.random(in: 0.5...1.5))
    guard !isEnding else { return await lane.giveBack(deliveries.map(\.tag), of: source) }
    await republish(deliveries, in: lane, source) { message in
      Publication(DeadLetter.forwarded(message), exchange: "", routingKey: queue, mandatory: true)
    }
  }

  /// Publishes and, what the broker has confirmed, acknowledges. The rest goes back.
  private func republish(
    _ deliveries: [Delivery], in lane: Lane, _ source: Int, as publication: (Message) -> Publication
  ) async {
    guard !deliveries.isEmpty else { return }
    let verdicts = await publishing.publish(deliveries.map { publication($0.message) })
    var moved: [DeliveryTag] = []
    var kept: [DeliveryTag] = []
    for (delivery, verdict) in zip(deliveries, verdicts) {
      if verdict == .confirmed {
        moved.append(delivery.tag)
      } else {
        logger.warning(
          "a message could not be passed on; it stays in its queue",
          metadata: ["queue": "\(names.queue(lane.queue.name))", "verdict": "\(verdict)"])
        kept.append(delivery.tag)
      }
    }
    await lane.ack(moved, of: source)
    guard !kept.isEmpty else { return }
    // Given back at once, they would turn in a tight circle.
    _ = await lifecycle.reached(.draining, within: Self.hold)
    await lane.giveBack(kept, of: source)
  }
}
