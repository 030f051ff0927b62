import AMQP
public import Logging

/// Moves what cannot be accepted out of its queue: into the dead-letter queue mostly, with the reason.
public struct DeadLetterPublisher<Broker: MessageBroker>: Sendable {
  /// How long the broker may take over one batch.
  private static var patience: Duration { .seconds(10) }
  /// Before each further attempt.
  private static var pauses: [Duration] { [.seconds(1), .seconds(2), .seconds(4)] }

  private let broker: Broker
  private let names: TransportNames
  private let logger: Logger
  private let sleep: @Sendable (Duration) async throws -> Void

  /// - Parameters:
  ///   - broker: the connection for publishing.
  ///   - sleep: how it waits between attempts.
  public init(
    connection broker: Broker, names: TransportNames, logger: Logger,
    sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
  ) {
    self.broker = broker
    self.names = names
    self.logger = logger
    self.sleep = sleep
  }

  /// Publishes each letter and, once the broker has all of it, acknowledges it where it came from.
  ///
  /// What the broker does not take after some attempts goes to the end of its own queue: returned to its front, letters
  /// that nobody takes would keep everything else from being delivered. May take long; nothing else should wait for it.
  public func publish(
    _ letters: [DeadLetter.Letter], foundIn queue: String, of consumer: some MessageConsumer
  ) async {
    guard let first = letters.first?.parts.first else { return }
    logger.warning(
      "messages were refused",
      metadata: [
        "queue": "\(queue)", "count": "\(letters.count)", "reason": "\(first.reason)",
        "explanation": "\(first.explanation)",
      ])
    var kept = await attempt(letters, foundIn: queue, of: consumer)
    for pause in Self.pauses where !kept.isEmpty {
      logger.warning(
        "the broker does not take what was refused; it is tried again",
        metadata: ["queue": "\(queue)", "count": "\(kept.count)"])
      // Cut short only when the process ends; the broker takes the messages back then.
      guard (try? await sleep(pause)) != nil else { return }
      kept = await attempt(kept, foundIn: queue, of: consumer)
    }
    guard !kept.isEmpty else { return }
    let moved = await broker.publish(
      kept.map { letter in
        Publication(
          DeadLetter.forwarded(letter.delivery.message), exchange: "", routingKey: queue,
          mandatory: true)
      }, timeout: Self.patience)
    let tags = zip(kept, moved).map { ($0.delivery.tag, $1 == .confirmed) }
    await consumer.ack(tags.filter(\.1).map(\.0))
    await consumer.nack(tags.filter { !$0.1 }.map(\.0), requeue: true)
  }

  /// - Returns: the letters that the broker did not take.
  private func attempt(
    _ letters: [DeadLetter.Letter], foundIn queue: String, of consumer: some MessageConsumer
  ) async -> [DeadLetter.Letter] {
    let publications = letters.flatMap { letter in
      letter.parts.map { part in
        Publication(
          DeadLetter.message(
            part.message, reason: part.reason, explanation: part.explanation, foundIn: queue),
          exchange: part.place == .dead ? names.dead : "",
          routingKey: part.place == .dead ? "" : names.unknownReports, mandatory: true)
      }
    }
    var verdicts = await broker.publish(publications, timeout: Self.patience)[...]
    var taken: [DeliveryTag] = []
    var kept: [DeadLetter.Letter] = []
    for letter in letters {
      if verdicts.prefix(letter.parts.count).allSatisfy({ $0 == .confirmed }) {
        taken.append(letter.delivery.tag)
      } else {
        kept.append(letter)
      }
      verdicts = verdicts.dropFirst(letter.parts.count)
    }
    await consumer.ack(taken)
    return kept
  }
}
