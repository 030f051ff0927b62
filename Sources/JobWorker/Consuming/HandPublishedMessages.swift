import AMQP
import JobTransport
import Jobs
import Logging

/// Deals with what lies in a work queue and is no ticket, as somebody has published it there by hand: it is thrown out, and the
/// broker passes it on to the intake. There job messages become jobs and all else dead letters. The worker need not be one who
/// may submit jobs.
struct HandPublishedMessages: Sendable {
  let names: TransportNames
  let logger: Logger

  /// Settles all of them.
  func handle(
    _ deliveries: [Delivery], from queue: JobQueueName, of consumer: any MessageConsumer
  ) async {
    guard !deliveries.isEmpty else { return }
    logger.notice(
      "messages in a work queue are no tickets; they are passed on to the intake",
      metadata: ["queue": "\(names.queue(queue))", "count": "\(deliveries.count)"])
    await consumer.nack(deliveries.map(\.tag), requeue: false)
  }
}
