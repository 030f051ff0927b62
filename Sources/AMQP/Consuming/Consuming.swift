import Logging

/// The consumers of a connection. Belongs to its actor.
final class ConsumerTable {
  private var records: [UInt64: ConsumerRecord] = [:]

  /// In the order in which they came.
  var all: [ConsumerRecord] { records.values.sorted { $0.id < $1.id } }

  subscript(id: UInt64) -> ConsumerRecord? { records[id] }

  func add(_ record: ConsumerRecord) { records[record.id] = record }

  @discardableResult
  func remove(_ id: UInt64) -> ConsumerRecord? { records.removeValue(forKey: id) }

  func removeAll() { records = [:] }
}

extension Connection {
  /// Subscribes to a queue, on a channel of its own, and stays subscribed: see ``Consumer``.
  ///
  /// While there is no connection it waits for one, for at most `rpcTimeout`. A queue that the
  /// connection declares, and that somebody has deleted, is declared again. Throws
  /// ``AMQPError/channelClosed(code:text:)`` with the broker's reason: 404 if there is no such
  /// queue, 403 if another consumer has it exclusively, 405 if it is exclusive to another
  /// connection. Throws ``AMQPError/connectionClosed(code:text:)`` with code 541 if the broker fails
  /// over it, as RabbitMQ does over a quorum queue whose process is gone.
  public func consume(_ subscription: Subscription) async throws(AMQPError) -> Consumer {
    try subscription.check()
    let record = ConsumerRecord(id: nextNumber(), subscription: subscription, budget: budget)
    let handle = ConsumerHandle(connection: self, id: record.id, buffer: record.buffer)
    let end = ContinuousClock.now + configuration.rpcTimeout
    var backoff = Backoff(configuration.reconnect)
    while true {
      try await waitUntilReady(timeout: end - .now)
      do throws(AMQPError) {
        try await subscribe(record, isFirst: true)
        break
      } catch {
        guard .now < end else { throw error }
        if error.isConnectionLoss { continue }
        guard isMissing(subscription.queue, error) else { throw error }
      }
      // Somebody deletes it, perhaps more than once.
      await pause(backoff.next(), endsWithSession: true)
      do throws(AMQPError) {
        if let session { _ = try await declareAgain(session) }
      } catch {
        guard error.isConnectionLoss else { throw error }
      }
    }
    return Consumer(handle)
  }

  /// Changes a consumer's subscription, which takes several answers of the broker's, while nobody
  /// else changes it. Much may have happened before `body` begins, and while it waits.
  private func change(
    _ record: ConsumerRecord, _ body: () async throws(AMQPError) -> Void
  ) async throws(AMQPError) {
    if !record.beginChange() {
      await withCheckedContinuation { record.waitToChange($0) }
    }
    defer { record.endChange() }
    try await body()
  }

  /// Opens a channel for a consumer and subscribes, unless it is subscribed. When it returns the
  /// record is registered.
  ///
  /// - Parameter isFirst: whether it is not registered yet.
  func subscribe(_ record: ConsumerRecord, isFirst: Bool = false) async throws(AMQPError) {
    try await change(record) { () throws(AMQPError) in
      guard isFirst || consumers[record.id] === record, !record.isCancelled else { return }
      if !record.isSubscribed { try await subscribeAnew(record) }
    }
  }

  private func subscribeAnew(_ record: ConsumerRecord) async throws(AMQPError) {
    guard let session else { throw lastError ?? .socket("not connected") }
    let subscription = record.subscription
    let channel = try session.open(.consumer(record))
    record.begin(channel: channel, generation: nextNumber())
    do throws(AMQPError) {
      if subscription.prefetch > 0, !subscription.noAck {
        _ = try await call(.qos(prefetch: subscription.prefetch), on: channel)
      }
      let answer = try await call(.consume(subscription), on: channel)
      guard case .consumeOk(let tag) = answer else {
        throw .protocolViolation("\(answer) instead of consume-ok")
      }
      guard self.session === session, record.channel === channel, channel.life.phase == .open
      else { throw .socket("lost while subscribing") }
      // If it was cancelled meanwhile, whoever did that waits to end this subscription, too.
      record.consumerTag = tag
      consumers.add(record)
      record.noteSuccess()
      // What came right behind the answer, before the record was known.
      record.handOn()
    } catch {
      if error.isInternal || error.isTimeout { record.noteFailure(error) }
      if record.channel === channel { record.lost() }
      session.close(channel)
      throw error
    }
  }

  /// The broker has ended a subscription: its queue is gone, or has moved to another node.
  func lostSubscription(_ record: ConsumerRecord) {
    guard let channel = record.channel, !record.isCancelled else { return }
    let why = AMQPError.channelClosed(
      code: ReplyCode.notFound,
      text: "the broker cancelled the consumer of queue '\(record.subscription.queue)'")
    let wasSubscribed = record.consumerTag != nil
    record.lost()
    session?.close(channel)
    // Whoever is about to subscribe finds out, and tries again.
    if wasSubscribed { notices.post(.repair(consumer: record.id, why)) }
  }

  /// The channel of a consumer is gone.
  func lost(_ record: ConsumerRecord, _ channel: Channel, _ error: AMQPError) {
    guard record.channel === channel else { return }
    let wasSubscribed = record.consumerTag != nil
    record.lost()
    if record.isCancelled {
      consumers.remove(record.id)
      record.onSettled()
    } else if wasSubscribed {
      notices.post(.repair(consumer: record.id, error))
    }
  }

  /// Subscribes again until it succeeds, or cannot succeed, or the connection is lost (after which
  /// all is done anew).
  func repair(consumer id: UInt64, _ cause: AMQPError) async {
    guard let session else { return }
    var backoff = Backoff(configuration.reconnect)
    var error = cause
    // Once the connection is lost, it is for the next one to subscribe again.
    // While the connection is being closed, pauses end at once.
    while self.session === session, !isStopping, let record = consumers[id], !record.isCancelled {
      let queue = record.subscription.queue
      guard isHealable(error, queue: queue) else {
        logger.error("Consumer ended", metadata: ["queue": "\(queue)", "error": "\(error)"])
        consumers.remove(id)
        record.buffer.finish(.failure(error))
        return
      }
      hub.emit(.resubscribing(queue: queue, error))
      if let quarantine = record.quarantine {
        await pause(quarantine, endsWithSession: true)
        guard consumers[id] === record, !record.isCancelled, self.session === session,
          !isStopping
        else { return }
      }
      do throws(AMQPError) {
        if declared.wants(queue: queue) { try await declareAgain(session) }
        guard consumers[id] === record, !record.isCancelled, self.session === session else {
          return
        }
        try await subscribe(record)
        return
      } catch let failure {
        error = failure
      }
      await pause(backoff.next(), endsWithSession: true)
    }
  }

  /// Whether a queue is not there that is to be.
  private func isMissing(_ queue: String, _ error: AMQPError) -> Bool {
    guard case .channelClosed(ReplyCode.notFound, _) = error else { return false }
    return declared.wants(queue: queue)
  }

  /// Whether trying again may help.
  private func isHealable(_ error: AMQPError, queue: String) -> Bool {
    switch error {
    case .channelClosed(let code, let text):
      switch code {
      case ReplyCode.notFound: return isMissing(queue, error)
      case ReplyCode.internalError: return true
      // 403 is also "in exclusive use"; a missing permission may be given.
      case ReplyCode.accessRefused, ReplyCode.resourceLocked: return true
      // A delivery was not acknowledged within the consumer timeout; it has been taken back.
      default: return text.contains("timed out")
      }
    case .timeout: return true
    // All channels are in use: some may be given back.
    case .invalidArgument: return true
    default: return error.isConnectionLoss || error.isInternal
    }
  }

  func cancel(consumer id: UInt64) async {
    guard let record = consumers[id], !record.isCancelled else { return }
    record.isCancelled = true
    // If it fails, the channel or the connection is gone, and the subscription with it.
    try? await change(record) { () throws(AMQPError) in
      guard let channel = record.channel, let tag = record.consumerTag else { return }
      _ = try await call(.cancel(consumerTag: tag), on: channel)
    }
    record.handOn()
    record.buffer.finish(.success(nil))
    record.onSettled = { [weak record] in
      guard let record else { return }
      self.closeIfDone(record)
    }
    await withCheckedContinuation { continuation in
      closeIfDone(record) { continuation.resume() }
    }
  }

  /// Changes how many deliveries of a consumer may be unacknowledged.
  func setPrefetch(_ prefetch: UInt16, consumer id: UInt64) async throws(AMQPError) {
    let ended = AMQPError.closed("the consumer has ended")
    guard let record = consumers[id], !record.isCancelled else { throw ended }
    try await change(record) { () throws(AMQPError) in
      guard consumers[id] === record, !record.isCancelled else { throw ended }
      record.setPrefetch(prefetch)
      // Without a channel, the next one gets it.
      guard let channel = record.channel, let tag = record.consumerTag, !record.subscription.noAck
      else { return }
      do throws(AMQPError) {
        try await resubscribe(record, tag, on: channel)
      } catch {
        // If the channel was lost it is replaced by one with the new number.
        guard record.channel !== channel, consumers[id] === record else { throw error }
      }
      guard !record.isCancelled else { throw ended }
    }
  }

  /// RabbitMQ applies a prefetch to consumers that are subscribed later, so this one subscribes anew
  /// on its channel.
  private func resubscribe(
    _ record: ConsumerRecord, _ tag: String, on channel: Channel
  ) async throws(AMQPError) {
    _ = try await call(.qos(prefetch: record.subscription.prefetch), on: channel)
    guard record.channel === channel, !record.isCancelled else { return }
    _ = try await call(.cancel(consumerTag: tag), on: channel)
    guard record.channel === channel else { return }
    guard !record.isCancelled else {
      // There is nothing left to cancel.
      record.consumerTag = nil
      return
    }
    let answer = try await call(.consume(record.subscription), on: channel)
    guard case .consumeOk(let next) = answer else {
      throw .protocolViolation("\(answer) instead of consume-ok")
    }
    if record.channel === channel { record.consumerTag = next }
  }

  /// Nobody can take its deliveries any more.
  nonisolated func abandon(consumer id: UInt64) {
    perform { connection in
      guard let record = connection.consumers.remove(id) else { return }
      record.isCancelled = true
      record.buffer.finish(.success(nil))
      record.buffer.removeAll()
      connection.flushAndClose(record)
    }
  }

  private func flushAndClose(_ record: ConsumerRecord) {
    guard let session, let channel = record.channel else { return }
    do throws(AMQPError) {
      try session.sendSettlements(of: record)
    } catch {
      return loseSession(error)
    }
    record.lost()
    session.close(channel)
  }

  /// Has the broker told what has become of deliveries. Nobody waits for it, so the caller's task
  /// need not change threads; what is asked of the broker later is asked after it.
  nonisolated func settle(_ tags: [DeliveryTag], _ kind: Settlement.Kind, consumer id: UInt64) {
    perform(isUrgent: false) { $0.note(settled: tags, kind, consumer: id) }
  }

  private func note(settled tags: [DeliveryTag], _ kind: Settlement.Kind, consumer id: UInt64) {
    guard let record = consumers[id] else { return }
    let strays = record.settle(tags, kind)
    if record.ledger.hasPending { session?.noteSettlement(of: record) }
    if strays > 0 {
      // Sent, they would make the broker close the channel.
      logger.warning(
        "Deliveries acknowledged twice, or never made",
        metadata: ["queue": "\(record.subscription.queue)", "count": "\(strays)"])
    }
  }

  /// A cancelled consumer keeps its channel until all that came is settled.
  private func closeIfDone(_ record: ConsumerRecord, completion: @escaping () -> Void = {}) {
    guard record.isCancelled, record.ledger.unsettled == 0 else { return completion() }
    consumers.remove(record.id)
    record.onSettled = {}
    guard let channel = record.channel, let session else { return completion() }
    record.lost()
    session.close(channel, completion: completion)
  }

  // MARK: One by one

  /// Takes one message from a queue, if there is one (basic.get). It costs a round trip for each, so
  /// it is for occasional use; ``consume(_:)`` is for streams.
  ///
  /// Unless `noAck`, the message must be settled with ``ack(got:)`` or ``nack(got:requeue:)``; when
  /// the connection is lost before, it goes back to the queue.
  public func get(queue: String, noAck: Bool = false) async throws(AMQPError) -> GotMessage? {
    try ShortString.check(queue, "the queue's name")
    try await waitUntilReady(timeout: configuration.rpcTimeout)
    let channel: Channel
    var generation: UInt64 = 0
    if noAck {
      channel = try controlChannel()
    } else {
      channel = try gettingChannel()
      if case .getting(let box) = channel.role { generation = box.generation }
    }
    switch try await ask(.get(queue: queue, noAck: noAck), on: channel) {
    case .method(.gotNothing): return nil
    case .message(let content):
      guard
        case .got(let tag, let redelivered, let exchange, let key, let remaining) = content.subject
      else { throw .protocolViolation("\(content.subject) instead of get-ok") }
      return GotMessage(
        delivery: Delivery(
          message: content.message, exchange: exchange, routingKey: key, redelivered: redelivered,
          tag: DeliveryTag(generation: generation, value: tag)),
        remaining: remaining)
    case .method(let answer): throw .protocolViolation("\(answer) instead of get-ok")
    }
  }

  /// Tells the broker that messages that were got are dealt with.
  public func ack(got messages: [GotMessage]) {
    settle(got: messages, .ack)
  }

  /// Refuses messages that were got: with `requeue` they go back to the queue, without it they are
  /// dropped or go to the queue's dead-letter exchange.
  public func nack(got messages: [GotMessage], requeue: Bool) {
    settle(got: messages, requeue ? .requeue : .drop)
  }

  private func gettingChannel() throws(AMQPError) -> Channel {
    if let getting, getting.life.phase == .open { return getting }
    guard let session else { throw lastError ?? .socket("not connected") }
    let channel = try session.open(.getting(SettlementLedgerBox(generation: nextNumber())))
    getting = channel
    return channel
  }

  private func settle(got messages: [GotMessage], _ kind: Settlement.Kind) {
    guard let getting, case .getting(let box) = getting.role else { return }
    for message in messages where message.delivery.tag.generation == box.generation {
      _ = box.ledger.settle(message.delivery.tag.value, kind)
    }
    session?.noteSettlement(on: getting)
  }
}

/// A message that was taken from a queue by ``Connection/get(queue:noAck:)``.
public struct GotMessage: Sendable, Hashable {
  /// The message, and where it came from.
  public let delivery: Delivery
  /// How many messages wait in the queue behind it.
  public let remaining: UInt32
}
