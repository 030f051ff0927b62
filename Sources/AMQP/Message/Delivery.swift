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
