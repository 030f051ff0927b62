/// What a connection knows of one of its consumers. Belongs to the connection's actor.
final class ConsumerRecord {
  /// What a delivery takes beside its body, about.
  private static let overhead = 256

  let id: UInt64
  private(set) var subscription: Subscription
  let buffer: DeliveryBuffer
  /// The channel of the current subscription, and its number in the tags of its deliveries.
  private(set) var channel: Channel?
  private(set) var generation: UInt64 = 0
  /// The name by which the broker knows the current subscription.
  var consumerTag: String?
  /// What has been delivered on the current channel and is not settled.
  var ledger = SettlementLedger()
  /// What has come since deliveries were last handed on.
  private(set) var gathered: [Delivery] = []
  private var gatheredBytes = 0
  /// Whether the application wants no more.
  var isCancelled = false
  /// Whether the session knows that it has something to tell.
  var isInLineToSettle = false
  /// Whether somebody changes the subscription, and who waits to do so next.
  private var isChanging = false
  private var changers = FIFO<CheckedContinuation<Void, Never>>()
  /// Called when settlements have been sent.
  var onSettled: () -> Void = {}

  init(id: UInt64, subscription: Subscription, budget: ReceiveBudget? = nil) {
    self.id = id
    self.subscription = subscription
    buffer = DeliveryBuffer(budget: budget)
  }

  /// Changes how many deliveries may be unacknowledged.
  func setPrefetch(_ prefetch: UInt16) { subscription.prefetch = prefetch }

  /// Whether it is subscribed, on a channel that is open.
  var isSubscribed: Bool { consumerTag != nil && channel?.life.phase == .open }

  /// Begins to change the subscription: false if another one does, whose end must be waited for.
  func beginChange() -> Bool {
    defer { isChanging = true }
    return !isChanging
  }

  /// Waits for the end of the change that is under way, to begin the next one.
  func waitToChange(_ continuation: CheckedContinuation<Void, Never>) {
    changers.append(continuation)
  }

  func endChange() {
    // Whoever is next has begun with this.
    if let next = changers.popFirst() { next.resume() } else { isChanging = false }
  }

  /// A new channel: tags of the one before become stale.
  func begin(channel: Channel, generation: UInt64) {
    lost()
    self.channel = channel
    self.generation = generation
  }

  /// The channel is gone, and with it all that came on it and was not settled.
  func lost() {
    channel = nil
    consumerTag = nil
    isInLineToSettle = false
    ledger = SettlementLedger()
    if subscription.noAck { handOn() }
    gathered = []
    gatheredBytes = 0
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
    gatheredBytes += message.body.count + Self.overhead
  }

  /// Hands on what has come.
  func handOn() {
    guard !gathered.isEmpty else { return }
    let count = gathered.count
    buffer.append(gathered, bytes: gatheredBytes)
    gathered = []
    // The next turn probably brings as much.
    gathered.reserveCapacity(min(count, 256))
    gatheredBytes = 0
  }

  func settled() { onSettled() }
}
