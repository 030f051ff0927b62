import AMQP
import Jobs

/// A ticket that this worker holds, and what is needed to settle it.
struct ReceivedTicket: Sendable, Hashable {
  let ticket: Ticket
  /// Whose consumer it came through.
  let queue: JobQueueName
  /// Which of that queue's consumers it was.
  let source: Int
  let tag: DeliveryTag

  var job: JobID { ticket.job }

  /// Whether it came through an earlier subscription than another one.
  func isVoid(besides other: ReceivedTicket) -> Bool {
    queue == other.queue && source == other.source && tag.generation < other.tag.generation
  }
}
