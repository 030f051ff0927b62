package import AMQP
package import Foundation
package import Jobs
package import Logging

/// A message that could not be accepted, as it is laid into the dead-letter queue: unchanged but for headers that say why.
package enum DeadLetter {
  /// The reason, for programs.
  package static let reason = "x-warren-reason"
  /// The reason, for people.
  package static let explanation = "x-warren-explanation"
  /// All that is wrong with the params, for programs: what a problem over HTTP has as `errors`, as JSON text.
  package static let errors = "x-warren-errors"
  /// The queue in which it was found.
  package static let foundIn = "x-warren-found-in"
  /// The broker's user who sent it, where it said so: whoever republishes it is another one.
  package static let user = "x-warren-user"
  /// The letter's own id: published twice, it is one letter.
  package static let letter = "x-warren-letter"
  /// That the message had been delivered before: another letter may have been made of it.
  package static let repeated = "x-warren-repeated"
  /// That its own headers were too large to be kept.
  package static let lostHeaders = "x-warren-lost-headers"
  /// Of a message that was a dead letter and was published again: which one.
  package static let provenance = "x-warren-dead-letter"
  /// How often it was published again.
  package static let redriven = "x-warren-redriven"

  /// The most bytes of headers that are kept.
  static let mostOfHeaders = 64 << 10

  /// A delivery that cannot be accepted, and what is kept of it.
  package struct Letter: Sendable {
    /// Where something is kept.
    package enum Place: Sendable, Hashable {
      /// For people.
      case dead
      /// For a newer server.
      case unknownReports
    }

    /// A message that is kept, and why.
    package struct Part: Sendable {
      package let message: Message
      /// For programs.
      package let reason: String
      /// For people; cut where it is very long, since it may quote what a producer wrote.
      package let explanation: String
      /// Where it is the params that are wrong.
      package let errors: [ParamsViolation]
      package let place: Place
      /// Its id as a letter, however often it is published.
      let letter = UUID.version7()

      package init(
        _ message: Message, reason: String, explanation: String, errors: [ParamsViolation] = [],
        place: Place = .dead
      ) {
        self.message = message
        self.reason = reason
        self.explanation = Self.bounded(explanation)
        self.errors = errors
        self.place = place
      }

      /// The most bytes of an explanation.
      static let mostOfExplanation = 4 << 10

      private static func bounded(_ text: String) -> String {
        guard text.utf8.count > mostOfExplanation else { return text }
        return String(decoding: text.utf8.prefix(mostOfExplanation), as: UTF8.self) + "…"
      }
    }

    package let delivery: Delivery
    /// At least one. The delivery is acknowledged when all are kept.
    package let parts: [Part]

    /// All of it is for people.
    package init(
      _ delivery: Delivery, reason: String, explanation: String, errors: [ParamsViolation] = []
    ) {
      self.init(
        delivery,
        [Part(delivery.message, reason: reason, explanation: explanation, errors: errors)])
    }

    package init(_ delivery: Delivery, _ parts: [Part]) {
      self.delivery = delivery
      self.parts = parts
    }
  }

  /// Republishing keeps what the message was, without the broker's own dead-letter history, which grows with each turn.
  package static func message(
    _ original: Message, reason code: String, explanation text: String,
    errors list: [ParamsViolation] = [], foundIn queue: String, letter id: UUID = .version7(),
    isRepeated: Bool = false
  ) -> Message {
    var message = forwarded(original)
    // Properties have to fit into one frame, of 128 KiB mostly, with the reason.
    let isTooLarge = message.properties.headers.encodedSize > mostOfHeaders
    if isTooLarge {
      // Where it comes from is ours, and short.
      let own = [provenance, redriven].map { ($0, message.properties.headers[$0]) }
      message.properties.headers = [:]
      for (name, value) in own where (value?.stringValue?.utf8.count ?? 0) <= 100 {
        message.properties.headers[name] = value
      }
    }
    let isLost = isTooLarge || message.properties.headersRefused != nil
    message.properties.headers[lostHeaders] = isLost ? .bool(true) : nil
    message.properties.headers[letter] = .string(id.uuidString.lowercased())
    message.properties.headers[repeated] = isRepeated ? .bool(true) : nil
    message.properties.headers[reason] = .string(code)
    message.properties.headers[explanation] = .string(text)
    message.properties.headers[errors] = list.isEmpty ? nil : .string(json(of: list))
    message.properties.headers[foundIn] = .string(queue)
    // What says so already has come from here before, or is a claim that nobody has checked.
    message.properties.headers[user] = original.properties.userID.map { .string($0) }
    return message
  }

  /// The most bytes of the list of errors.
  static let mostOfErrors = 8 << 10

  /// As JSON, from the first on as many as there is room for.
  private static func json(of errors: [ParamsViolation]) -> String {
    var values: [JSONValue] = []
    var size = 2
    for error in errors {
      let value: JSONValue = [
        "pointer": .string(error.pointer), "keyword": .string(error.keyword),
        "detail": .string(error.detail),
      ]
      size += value.utf8.count + 1
      guard size <= mostOfErrors else { break }
      values.append(value)
    }
    return JSONValue.array(values).text
  }

  /// The message as it is republished elsewhere.
  package static func forwarded(_ original: Message) -> Message {
    var message = original
    for name in original.properties.headers.names where isBrokersOwn(name) {
      message.properties.headers[name] = nil
    }
    // A per-message TTL would make the broker discard what is kept here for people to see; the user id is checked
    // against the connection's own user.
    message.properties.expiration = nil
    message.properties.userID = nil
    message.properties.deliveryMode = .persistent
    return message
  }

  /// The headers in which RabbitMQ keeps how often and where a message was dead-lettered.
  private static func isBrokersOwn(_ header: String) -> Bool {
    ["x-death", "x-first-death-", "x-last-death-"].contains { header.hasPrefix($0) }
      || ["x-delivery-count", "x-acquired-count"].contains(header)
  }

  /// The message as it was before it became a dead letter: nothing of the broker's history is left, nor of ours. How long it may
  /// live is not restored: it would be thrown out again.
  package static func restored(_ letter: Message) -> Message {
    var message = forwarded(letter)
    for name in own { message.properties.headers[name] = nil }
    return message
  }

  private static let own = [
    reason, explanation, errors, foundIn, user, letter, repeated, lostHeaders, provenance, redriven,
  ]
}

/// Moves what cannot be accepted out of its queue: into the dead-letter queue mostly, with the reason.
package struct DeadLetterPublisher<Broker: MessageBroker>: Sendable {
  /// How long the broker may take over one batch.
  private static var patience: Duration { .seconds(10) }
  /// Before each further attempt.
  private static var pauses: [Duration] { [.seconds(1), .seconds(2), .seconds(4)] }

  private let broker: Broker
  private let names: TransportNames
  private let logger: Logger
  /// The broker's user that a letter names as its sender, where letters are to be believed by it.
  private let user: String?
  private let sleep: @Sendable (Duration) async throws -> Void

  /// - Parameters:
  ///   - broker: the connection for publishing.
  ///   - user: the connection's own, where its letters are to be believed by it.
  ///   - sleep: how it waits between attempts.
  package init(
    connection broker: Broker, names: TransportNames, logger: Logger, user: String? = nil,
    sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
  ) {
    self.broker = broker
    self.names = names
    self.logger = logger
    self.user = user
    self.sleep = sleep
  }

  /// Publishes each letter and, once the broker has all of it, acknowledges it where it came from.
  ///
  /// What the broker does not take after some attempts goes to the end of its own queue: returned to its front, letters
  /// that nobody takes would keep everything else from being delivered. May take long; nothing else should wait for it.
  package func publish(
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
        var message = DeadLetter.message(
          part.message, reason: part.reason, explanation: part.explanation, errors: part.errors,
          foundIn: queue, letter: part.letter, isRepeated: letter.delivery.redelivered)
        if part.place == .dead { message.properties.userID = user }
        return Publication(
          message,
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
