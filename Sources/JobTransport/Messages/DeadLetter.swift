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
