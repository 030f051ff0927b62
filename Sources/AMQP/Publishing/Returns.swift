/// A publication that came back, to be found among those in flight.
///
/// A return bears no number; it comes before the acknowledgement of its message and repeats that
/// message, so it is matched by content. Two in-flight messages that are equal in everything cannot
/// be told apart by the caller either: which of them gets the verdict makes no difference.
struct ReturnedMessage {
  let message: Message
  let exchange: String
  let routingKey: String
  /// Compared with what is left of publications that nobody waits for.
  private let digest: PublicationDigest

  init(_ message: Message, exchange: String, routingKey: String) {
    self.message = message
    self.exchange = exchange
    self.routingKey = routingKey
    digest = message.body.withUnsafeBytes { body in
      PublicationDigest(
        exchange: Array(exchange.utf8), routingKey: Array(routingKey.utf8), body: [body],
        properties: message.properties)
    }
  }

  /// How like a publication must be to be taken for this one.
  enum Likeness {
    case whole
    /// The broker may have changed headers (it removes BCC).
    case allButProperties
    case target
  }

  func isLike(_ parts: PublishBatch.Parts, _ likeness: Likeness) -> Bool {
    guard parts.isMandatory, parts.routingKey.elementsEqual(routingKey.utf8),
      parts.exchange.elementsEqual(exchange.utf8)
    else { return false }
    switch likeness {
    case .target: return true
    case .allButProperties: return hasBody(of: parts)
    case .whole:
      return hasBody(of: parts)
        && MessageProperties(received: parts.properties) == message.properties
    }
  }

  func isLike(_ other: PublicationDigest, _ likeness: Likeness) -> Bool {
    switch likeness {
    case .target: false
    case .allButProperties: other.content == digest.content
    case .whole: other == digest
    }
  }

  private func hasBody(of parts: PublishBatch.Parts) -> Bool {
    guard parts.bodySize == UInt64(message.body.count) else { return false }
    var position = 0
    return message.body.withUnsafeBytes { body in
      parts.body.allSatisfy { part in
        defer { position += part.count }
        return part.elementsEqual(body[position..<(position + part.count)])
      }
    }
  }
}

/// What is kept of a mandatory publication whose time is up until the broker answers it: should it
/// come back, it must not be taken for another one.
struct PublicationDigest: Equatable {
  /// Of exchange, routing key and body.
  let content: Int
  let properties: Int

  init(
    exchange: some Collection<UInt8>, routingKey: some Collection<UInt8>,
    body: [UnsafeRawBufferPointer], properties: MessageProperties
  ) {
    var hasher = Hasher()
    hasher.combine(Array(exchange))
    hasher.combine(Array(routingKey))
    // However it is cut into frames.
    for part in body { hasher.combine(bytes: part) }
    content = hasher.finalize()
    self.properties = properties.hashValue
  }

  init(_ parts: PublishBatch.Parts) {
    self.init(
      exchange: parts.exchange, routingKey: parts.routingKey, body: parts.body,
      properties: MessageProperties(received: parts.properties))
  }
}

extension ConfirmTracker where Token == PublishBatch {
  /// Which of those in flight has come back.
  func find(_ returned: ReturnedMessage) -> (PublishBatch, Int)? {
    func find(_ likeness: ReturnedMessage.Likeness) -> (PublishBatch, Int)? {
      first { batch, index in !batch.isReturned(index) && batch.isLike(returned, index, likeness) }
    }
    if let found = find(.whole) ?? find(.allButProperties) { return found }
    // Better none than one that may have been taken, while it can be one that nobody waits for.
    guard first(where: { batch, _ in batch.isFinished }) == nil else { return nil }
    return find(.target)
  }
}
