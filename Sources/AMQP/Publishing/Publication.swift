/// A message and where to publish it.
public struct Publication: Sendable, Hashable {
  /// The message.
  public var message: Message
  /// The exchange; empty is the default exchange, whose routing keys are queue names.
  public var exchange: String
  /// The routing key, at most 255 bytes.
  public var routingKey: String
  /// Whether a message that reaches no queue is returned
  /// (``PublishVerdict/returned(replyCode:text:)``) rather than dropped and confirmed.
  public var mandatory: Bool

  /// A publication of `message`.
  public init(_ message: Message, exchange: String, routingKey: String, mandatory: Bool = false) {
    self.message = message
    self.exchange = exchange
    self.routingKey = routingKey
    self.mandatory = mandatory
  }

  /// Throws ``AMQPError/invalidArgument(_:)`` if AMQP cannot carry it on a connection with that
  /// `frameMax`.
  func check(frameMax: Int) throws(AMQPError) {
    try ShortString.check(exchange, "the exchange's name")
    try ShortString.check(routingKey, "the routing key")
    try message.properties.check(frameMax: frameMax)
  }
}
