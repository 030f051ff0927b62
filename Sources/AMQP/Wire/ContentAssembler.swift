/// Puts the messages of one channel together: a method that announces one, a header with its
/// properties and size, then body frames until the size is reached (specification, section 4.2.6).
/// Anything else is a protocol violation.
struct ContentAssembler {
  /// RabbitMQ's own upper limit for `max_message_size`.
  static let maximumBody: UInt64 = 512 << 20
  /// Announced sizes are believed up to here; more memory is taken as more comes.
  private static let reserved: UInt64 = 1 << 20

  private enum State {
    case idle
    case announced(Content.Subject)
    case body(Content.Subject, MessageProperties, size: UInt64, received: [UInt8])
  }

  private var state = State.idle

  /// Whether no message has begun.
  var isIdle: Bool { if case .idle = state { true } else { false } }

  /// Takes the method that announces a message.
  mutating func begin(_ subject: Content.Subject) throws(AMQPError) {
    guard case .idle = state else {
      throw .protocolViolation("a new message was announced before the last one was complete")
    }
    state = .announced(subject)
  }

  /// Takes a header; returns the message if it has no body.
  mutating func header(size: UInt64, properties: MessageProperties) throws(AMQPError) -> Content? {
    guard case .announced(let subject) = state else {
      throw .protocolViolation("a content header that no method announced")
    }
    guard size <= Self.maximumBody else {
      throw .protocolViolation("a message of \(size) bytes, the limit is \(Self.maximumBody)")
    }
    guard size > 0 else {
      state = .idle
      return Content(subject: subject, message: Message(body: [], properties: properties))
    }
    state = .body(subject, properties, size: size, received: [])
    return nil
  }

  /// Takes a body frame; returns the message if it is complete.
  mutating func body(_ fragment: UnsafeRawBufferPointer) throws(AMQPError) -> Content? {
    guard case .body(let subject, let properties, let size, var received) = state else {
      throw .protocolViolation("a body frame without a header")
    }
    // The enum must not keep a second reference, or each append would copy.
    state = .idle
    if received.isEmpty, UInt64(fragment.count) < size {
      received.reserveCapacity(Int(min(size, Self.reserved)))
    }
    received.append(contentsOf: fragment)
    let count = UInt64(received.count)
    guard count <= size else {
      throw .protocolViolation("a body of more than the \(size) bytes announced")
    }
    guard count == size else {
      state = .body(subject, properties, size: size, received: received)
      return nil
    }
    return Content(subject: subject, message: Message(body: received, properties: properties))
  }
}

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
