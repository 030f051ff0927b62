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
  private var gathered: [Delivery] = []
  private var gatheredBytes = 0
  /// Whether the application wants no more.
  var isCancelled = false
  /// Whether the session knows that it has something to tell.
  var isInLineToSettle = false
  /// Whether somebody changes the subscription, and who waits to do so next.
  private var isChanging = false
  private var changers = FIFO<CheckedContinuation<Void, Never>>()
  /// How often in a row the broker has closed the connection with an internal error over its
  /// subscription, or beside it, or has not answered.
  private var failures = 0
  private(set) var lastFailure: AMQPError?
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

  /// The broker has closed the connection with an internal error while this was being subscribed,
  /// or has not answered, which held up those behind it.
  func noteFailure(_ error: AMQPError) {
    failures += 1
    lastFailure = error
  }

  func noteSuccess() {
    failures = 0
    lastFailure = nil
  }

  /// How long to leave it alone, so that the connection serves the others meanwhile: up to a minute,
  /// longer with each failure. `nil` when there was none.
  var quarantine: Duration? {
    guard failures > 0 else { return nil }
    return .seconds(min(60, 1 << min(failures - 1, 6))) * Double.random(in: 0.5...1)
  }

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

  /// Whether something has come that is not handed on.
  var hasGathered: Bool { !gathered.isEmpty }

  /// Whether the broker may send much more before anything is settled.
  var hasCredit: Bool {
    subscription.noAck || subscription.prefetch == 0
      || ledger.unsettled <= Int(subscription.prefetch) / 2
  }

  /// Takes in the deliveries that come next, as far as they are whole: how many.
  func take(
    from reader: inout FrameReader, _ decoder: inout MethodDecoder, channel: UInt16
  ) throws(AMQPError) -> Int {
    try Self.take(
      from: &reader, &decoder, channel: channel, generation: generation, into: &gathered,
      bytes: &gatheredBytes, ledger: &ledger, noAck: subscription.noAck)
  }

  /// All that changes is given `inout`, so that it is looked up once for many deliveries.
  private static func take(
    from reader: inout FrameReader, _ decoder: inout MethodDecoder, channel: UInt16,
    generation: UInt64, into gathered: inout [Delivery], bytes: inout Int,
    ledger: inout SettlementLedger, noAck: Bool
  ) throws(AMQPError) -> Int {
    var count = 0
    while let delivery = reader.nextDelivery(on: channel) {
      let fields = try decoder.delivery(delivery.method)
      if !noAck {
        guard ledger.delivered(fields.tag) else {
          throw .protocolViolation("delivery \(fields.tag) out of order")
        }
      }
      let properties = decoder.properties(
        UnsafeRawBufferPointer(rebasing: delivery.header[12...]))
      gathered.append(
        Delivery(
          message: Message(body: [UInt8](delivery.body), properties: properties),
          exchange: fields.exchange, routingKey: fields.routingKey,
          redelivered: fields.redelivered,
          tag: DeliveryTag(generation: generation, value: fields.tag)))
      bytes += delivery.body.count + overhead
      count += 1
    }
    return count
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

  /// Notes what the application has settled: how much of it cannot be.
  func settle(_ tags: [DeliveryTag], _ kind: Settlement.Kind) -> Int {
    guard channel != nil else { return 0 }
    return ledger.settle(tags, of: generation, kind)
  }
}
