/// A message as it came in, and what it came for.
struct Content: Equatable {
  /// What a message came for: the method that announced it.
  enum Subject: Equatable {
    case delivery(tag: UInt64, redelivered: Bool, exchange: String, routingKey: String)
    case got(
      tag: UInt64, redelivered: Bool, exchange: String, routingKey: String, remaining: UInt32)
    case returned(code: UInt16, text: String, exchange: String, routingKey: String)
  }

  var subject: Subject
  var message: Message
}
