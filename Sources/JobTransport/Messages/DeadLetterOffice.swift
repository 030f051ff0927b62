public import AMQP
public import Logging

/// Moves what cannot be accepted from a queue into the dead-letter queue.
public struct DeadLetterOffice: Sendable {
  /// A delivery that cannot be accepted, and why.
  public struct Letter: Sendable {
    public let delivery: Delivery
    /// For programs.
    public let reason: String
    /// For people; cut where it is very long, since it may quote what a producer wrote.
    public let explanation: String

    public init(_ delivery: Delivery, reason: String, explanation: String) {
      self.delivery = delivery
      self.reason = reason
      self.explanation = Self.bounded(explanation)
    }

    /// The most bytes of an explanation.
    static let mostOfExplanation = 4 << 10

    private static func bounded(_ text: String) -> String {
      guard text.utf8.count > mostOfExplanation else { return text }
      return String(decoding: text.utf8.prefix(mostOfExplanation), as: UTF8.self) + "…"
    }
  }

  private let connection: Connection
  private let names: TransportNames
  private let logger: Logger

  /// - Parameter connection: the one for publishing.
  public init(connection: Connection, names: TransportNames, logger: Logger) {
    self.connection = connection
    self.names = names
    self.logger = logger
  }

  /// Publishes each letter to the dead-letter exchange and, once the broker has it, acknowledges it where it came from.
  /// A letter that the broker does not take goes back to its queue.
  public func bury(_ letters: [Letter], foundIn queue: String, of consumer: Consumer) async {
    guard !letters.isEmpty else { return }
    let verdicts = await connection.publish(
      letters.map { letter in
        Publication(
          DeadLetter.message(
            letter.delivery.message, reason: letter.reason, explanation: letter.explanation,
            foundIn: queue),
          exchange: names.dead, routingKey: "", mandatory: true)
      })
    var buried: [DeliveryTag] = []
    var kept: [DeliveryTag] = []
    for (letter, verdict) in zip(letters, verdicts) {
      logger.warning(
        "a message was refused",
        metadata: [
          "queue": "\(queue)", "reason": "\(letter.reason)",
          "explanation": "\(letter.explanation)", "dead-letter": "\(verdict)",
        ])
      if verdict == .confirmed {
        buried.append(letter.delivery.tag)
      } else {
        kept.append(letter.delivery.tag)
      }
    }
    await consumer.ack(buried)
    if !kept.isEmpty {
      // Returned at once to a queue that is read at once, it would turn in a tight circle. Only cancellation ends the
      // wait early, and then the broker takes the message back anyway.
      try? await Task.sleep(for: .seconds(1))
      await consumer.nack(kept, requeue: true)
    }
  }
}
