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

  /// The most bytes that its frames take. Throws ``AMQPError/invalidArgument(_:)`` if AMQP cannot
  /// carry it on a connection with that `frameMax`; it must be refused before the first frame is
  /// sent, since a message cannot be taken back half-way.
  func checkedSize(frameMax: Int) throws(AMQPError) -> Int {
    try ShortString.check(exchange, "the exchange's name")
    try ShortString.check(routingKey, "the routing key")
    let properties = try message.properties.checkedSize()
    // Frame header and end 8, class, weight and body size 12.
    guard properties + 20 <= frameMax else {
      throw .invalidArgument(
        "properties and headers take \(properties + 20) bytes, the connection allows \(frameMax) "
          + "(frame_max)")
    }
    return FrameEncoder.size(self, properties: properties, frameMax: frameMax)
  }
}
