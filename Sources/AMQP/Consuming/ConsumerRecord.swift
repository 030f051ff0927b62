/// What a connection knows of one of its consumers. Belongs to the connection's actor.
final class ConsumerRecord {
  let id: UInt64
  let subscription: Subscription
  let buffer = DeliveryBuffer()
  /// The channel of the current subscription, and its number in the tags of its deliveries.
  private(set) var channel: UInt16?
  private(set) var generation: UInt64 = 0
  /// The name by which the broker knows the current subscription.
  var consumerTag: String?
  /// What has been delivered on the current channel and is not settled.
  var ledger = SettlementLedger()
  /// What has come since deliveries were last handed on.
  var gathered: [Delivery] = []
  /// Whether the application wants no more.
  var isCancelled = false

  init(id: UInt64, subscription: Subscription) {
    self.id = id
    self.subscription = subscription
  }

  /// A new channel: tags of the one before become stale.
  func begin(channel: UInt16, generation: UInt64) {
    lost()
    self.channel = channel
    self.generation = generation
  }

  /// The channel is gone, and with it all that came on it and was not settled.
  func lost() {
    channel = nil
    consumerTag = nil
    ledger = SettlementLedger()
    gathered = []
    if !subscription.noAck { buffer.removeAll() }
  }

  /// Takes a message in.
  func deliver(
    _ message: Message, tag: UInt64, redelivered: Bool, exchange: String, routingKey: String
  ) throws(AMQPError) {
    if !subscription.noAck {
      guard ledger.delivered(tag) else {
        throw .protocolViolation("delivery \(tag) out of order")
      }
    }
    gathered.append(
      Delivery(
        message: message, exchange: exchange, routingKey: routingKey, redelivered: redelivered,
        tag: DeliveryTag(generation: generation, value: tag)))
  }

  /// Hands on what has come.
  func handOn() {
    guard !gathered.isEmpty else { return }
    buffer.append(gathered)
    gathered = []
  }
}
