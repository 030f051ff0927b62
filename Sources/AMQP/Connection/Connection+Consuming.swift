import Logging

extension Connection {
  /// Subscribes to a queue, on a channel of its own, and stays subscribed: see ``Consumer``.
  ///
  /// While there is no connection it waits for one, for at most `rpcTimeout`. Throws
  /// ``AMQPError/channelClosed(code:text:)`` with the broker's reason: 404 if there is no such
  /// queue, 403 if another consumer has it exclusively, 405 if it is exclusive to another
  /// connection.
  public func consume(_ subscription: Subscription) async throws(AMQPError) -> Consumer {
    try subscription.check()
    let record = ConsumerRecord(id: nextNumber(), subscription: subscription)
    let handle = ConsumerHandle(connection: self, id: record.id, buffer: record.buffer)
    let end = ContinuousClock.now + configuration.rpcTimeout
    while true {
      try await waitUntilReady(timeout: end - .now)
      do throws(AMQPError) {
        try await subscribe(record)
        break
      } catch {
        guard error.isConnectionLoss, .now < end else { throw error }
      }
    }
    return Consumer(handle)
  }

  /// Opens a channel for a consumer and subscribes. When it returns the record is registered.
  func subscribe(_ record: ConsumerRecord) async throws(AMQPError) {
    let session = generation
    let subscription = record.subscription
    let channel = Channel(number: try freeChannel(), role: .consumer(record))
    record.begin(channel: channel.number, generation: nextNumber())
    open(channel: channel)
    do throws(AMQPError) {
      if subscription.prefetch > 0, !subscription.noAck {
        _ = try await call(.qos(prefetch: subscription.prefetch), on: channel.number)
      }
      let answer = try await call(.consume(subscription), on: channel.number)
      guard case .consumeOk(let tag) = answer else {
        throw .protocolViolation("\(answer) instead of consume-ok")
      }
      guard !record.isCancelled else { throw .closed("the consumer was cancelled") }
      guard generation == session, channels[channel.number] === channel else {
        throw lastError ?? .socket("lost while subscribing")
      }
      record.consumerTag = tag
      consumers[record.id] = record
      // What came right behind the answer, before the record was known.
      record.handOn()
    } catch {
      if record.channel == channel.number, generation == session { record.lost() }
      if channels[channel.number] === channel { close(channel) }
      throw error
    }
  }

  private func freeChannel() throws(AMQPError) -> UInt16 {
    guard let last = socket?.channelMax else { throw lastError ?? .socket("not connected") }
    var number = Channel.firstConsumerNumber
    while number <= last {
      if channels[number] == nil { return number }
      number += 1
    }
    throw .invalidArgument(
      "all \(last) channels that the broker allows on a connection are in use (channel_max)")
  }

  /// The broker has ended a subscription: its queue is gone, or has moved to another node.
  func lostSubscription(_ record: ConsumerRecord, on channel: Channel) {
    guard record.channel == channel.number, !record.isCancelled else { return }
    let why = AMQPError.channelClosed(
      code: ReplyCode.notFound,
      text: "the broker cancelled the consumer of queue '\(record.subscription.queue)'")
    record.lost()
    close(channel)
    notices.post(.repair(consumer: record.id, why))
  }

  /// Subscribes again until it succeeds, or cannot succeed, or the connection is lost (after which
  /// all is done anew).
  func repair(consumer id: UInt64, _ cause: AMQPError) async {
    let session = generation
    var backoff = Backoff(configuration.reconnect)
    var error = cause
    // Once the connection is lost, it is for the next one to subscribe again.
    while generation == session, socket != nil, let record = consumers[id], !record.isCancelled {
      let queue = record.subscription.queue
      guard isHealable(error, queue: queue) else {
        logger.error("Consumer ended", metadata: ["queue": "\(queue)", "error": "\(error)"])
        consumers[id] = nil
        record.buffer.finish(.failure(error))
        return
      }
      hub.emit(.resubscribing(queue: queue, error))
      do throws(AMQPError) {
        if topology.queues.contains(where: { $0.name == queue }) {
          try await declareAgain(topology, session: session)
        }
        guard consumers[id] === record, !record.isCancelled else { return }
        try await subscribe(record)
        return
      } catch let failure {
        error = failure
      }
      await pause(backoff.next(), endsWithSession: true)
    }
  }

  /// Whether trying again may help.
  private func isHealable(_ error: AMQPError, queue: String) -> Bool {
    switch error {
    case .channelClosed(let code, let text):
      switch code {
      case ReplyCode.notFound: return topology.queues.contains { $0.name == queue }
      // 403 is also "in exclusive use"; a missing permission may be given.
      case ReplyCode.accessRefused, ReplyCode.resourceLocked: return true
      // A delivery was not acknowledged within the consumer timeout; it has been taken back.
      default: return text.contains("timed out")
      }
    case .timeout: return true
    default: return error.isConnectionLoss
    }
  }

  func cancel(consumer id: UInt64) async {
    guard let record = consumers[id], !record.isCancelled else { return }
    record.isCancelled = true
    if let number = record.channel, let tag = record.consumerTag {
      // If it fails, the channel or the connection is gone, and the subscription with it.
      _ = try? await call(.cancel(consumerTag: tag), on: number)
    }
    record.handOn()
    record.buffer.finish(.success(nil))
    await withCheckedContinuation { continuation in
      closeIfDone(record) { continuation.resume() }
    }
  }

  /// Nobody can take its deliveries any more.
  nonisolated func abandon(consumer id: UInt64) {
    perform { connection in
      guard let record = connection.consumers.removeValue(forKey: id) else { return }
      record.isCancelled = true
      record.buffer.finish(.success(nil))
      connection.flushAndClose(record)
    }
  }

  private func flushAndClose(_ record: ConsumerRecord) {
    do throws(AMQPError) {
      try sendSettlements(of: record)
    } catch {
      loseSession(error)
    }
    guard let number = record.channel, let channel = channels[number] else { return }
    record.lost()
    close(channel)
  }

  func settle(_ tags: [DeliveryTag], _ kind: Settlement.Kind, consumer id: UInt64) {
    guard let record = consumers[id] else { return }
    var strays = 0
    for tag in tags where tag.generation == record.generation && record.channel != nil {
      if !record.ledger.settle(tag.value, kind) { strays += 1 }
    }
    if strays > 0 {
      // Sent, they would make the broker close the channel.
      logger.warning(
        "Deliveries acknowledged twice, or never made",
        metadata: ["queue": "\(record.subscription.queue)", "count": "\(strays)"])
    }
  }

  /// Tells the broker what has been settled.
  func sendSettlements(of record: ConsumerRecord) throws(AMQPError) {
    guard let channel = record.channel else { return }
    for settlement in record.ledger.flush() {
      try socket?.send(.settle(settlement), channel: channel)
    }
    closeIfDone(record)
  }

  /// A cancelled consumer keeps its channel until all that came is settled.
  private func closeIfDone(_ record: ConsumerRecord, completion: @escaping () -> Void = {}) {
    guard record.isCancelled, record.ledger.unsettled == 0 else { return completion() }
    consumers[record.id] = nil
    guard let number = record.channel, let channel = channels[number] else { return completion() }
    record.lost()
    close(channel, completion: completion)
  }
}
