public import AMQP

/// A message that could not be accepted, as it is laid into the dead-letter queue: unchanged but for headers that say why.
public enum DeadLetter {
  /// The reason, for programs.
  public static let reason = "x-warren-reason"
  /// The reason, for people.
  public static let explanation = "x-warren-explanation"
  /// The queue in which it was found.
  public static let foundIn = "x-warren-found-in"

  /// The most bytes of headers that are kept.
  static let mostOfHeaders = 64 << 10

  /// A delivery that cannot be accepted, and what is kept of it.
  public struct Letter: Sendable {
    /// Where something is kept.
    public enum Place: Sendable, Hashable {
      /// For people.
      case dead
      /// For a newer server.
      case unknownReports
    }

    /// A message that is kept, and why.
    public struct Part: Sendable {
      public let message: Message
      /// For programs.
      public let reason: String
      /// For people; cut where it is very long, since it may quote what a producer wrote.
      public let explanation: String
      public let place: Place

      public init(_ message: Message, reason: String, explanation: String, place: Place = .dead) {
        self.message = message
        self.reason = reason
        self.explanation = Self.bounded(explanation)
        self.place = place
      }

      /// The most bytes of an explanation.
      static let mostOfExplanation = 4 << 10

      private static func bounded(_ text: String) -> String {
        guard text.utf8.count > mostOfExplanation else { return text }
        return String(decoding: text.utf8.prefix(mostOfExplanation), as: UTF8.self) + "…"
      }
    }

    public let delivery: Delivery
    /// At least one. The delivery is acknowledged when all are kept.
    public let parts: [Part]

    /// All of it is for people.
    public init(_ delivery: Delivery, reason: String, explanation: String) {
      self.init(
        delivery, [Part(delivery.message, reason: reason, explanation: explanation)])
    }

    public init(_ delivery: Delivery, _ parts: [Part]) {
      self.delivery = delivery
      self.parts = parts
    }
  }

  /// Republishing keeps what the message was, without the broker's own dead-letter history, which grows with each turn.
  public static func message(
    _ original: Message, reason code: String, explanation text: String, foundIn queue: String
  ) -> Message {
    var message = forwarded(original)
    // Properties have to fit into one frame, of 128 KiB mostly, with the reason.
    if message.properties.headers.encodedSize > mostOfHeaders { message.properties.headers = [:] }
    message.properties.headers[reason] = .string(code)
    message.properties.headers[explanation] = .string(text)
    message.properties.headers[foundIn] = .string(queue)
    return message
  }

  /// The message as it is republished elsewhere.
  public static func forwarded(_ original: Message) -> Message {
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
  }
}
