/// What is published and delivered: properties and a body.
public struct Message: Sendable, Hashable {
  /// The properties, headers among them.
  public var properties: MessageProperties
  /// The body, opaque to the broker.
  public var body: [UInt8]

  /// A message of that body and those properties.
  public init(body: [UInt8] = [], properties: MessageProperties = MessageProperties()) {
    self.properties = properties
    self.body = body
  }

  /// A message whose body is the UTF-8 of `text`.
  public init(text: String, properties: MessageProperties = MessageProperties()) {
    self.init(body: Array(text.utf8), properties: properties)
  }
}

/// A message that a queue gave to a consumer.
public struct Delivery: Sendable, Hashable {
  /// The message.
  public let message: Message
  /// The exchange to which it was published; empty is the default exchange.
  public let exchange: String
  /// The routing key with which it was published.
  public let routingKey: String
  /// Whether it may have been delivered before.
  public let redelivered: Bool
  /// What to give to ``Consumer/ack(_:)`` or ``Consumer/nack(_:requeue:)``.
  public let tag: DeliveryTag

  /// A delivery; useful in tests, the broker makes those that count.
  public init(
    message: Message, exchange: String, routingKey: String, redelivered: Bool, tag: DeliveryTag
  ) {
    self.message = message
    self.exchange = exchange
    self.routingKey = routingKey
    self.redelivered = redelivered
    self.tag = tag
  }
}

/// Names one delivery to one consumer, to acknowledge it.
public struct DeliveryTag: Hashable, Sendable {
  /// Counts the subscriptions that this process has made. A tag belongs to the channel on which it
  /// came; once that has been replaced, after a reconnect, the broker has taken the message back
  /// and the tag is stale.
  public let generation: UInt64
  /// The broker's number: 1, 2, 3 … within a generation.
  public let value: UInt64

  /// A tag; useful in tests, the tags that count come with deliveries.
  public init(generation: UInt64, value: UInt64) {
    self.generation = generation
    self.value = value
  }
}
