import Logging

extension Connection {
  /// How many frames are taken in before others have their turn.
  private static let framesPerTurn = 1_000
  /// How many bytes of messages are written before the socket is asked again whether it takes more.
  private static let bytesPerTurn = 32_768

  /// Between two polls: takes in what came, sends what waits, does what is due.
  func takeTurn(_ readiness: Readiness) -> PollPlan {
    if let descriptor = socket?.descriptor, readiness.descriptor == descriptor {
      do throws(AMQPError) {
        if readiness.readable { lastReceived = .now }
        // Incoming frames always go before publishing: `amqp_basic_publish` would otherwise wait
        // for some, without a bound, when it finds that no heartbeat has come (librabbitmq before
        // 0.14).
        if readiness.readable || hasUnreadInput || isHeartbeatDue { try receive() }
        try checkAlive()
        if readiness.writable { try send() }
        hasUnreadInput = hasUnreadInput || socket?.hasBufferedInput == true
      } catch {
        logger.debug("Connection lost", metadata: ["error": "\(error)"])
        loseSession(error)
      }
    }
    fireDeadlines()
    return plan()
  }

  /// Takes the peer for dead a little before librabbitmq does, because that looks for itself only
  /// in places where it then blocks.
  private func checkAlive() throws(AMQPError) {
    guard let heartbeat = socket?.heartbeat, heartbeat > 0 else { return }
    let silence = ContinuousClock.now - lastReceived
    guard silence < .milliseconds(heartbeat * 1_750) else {
      throw .socket("no heartbeat from the broker for \(silence)")
    }
  }

  private func receive() throws(AMQPError) {
    lastServiced = .now
    hasUnreadInput = false
    defer {
      for record in consumers.values { record.handOn() }
    }
    for _ in 0..<Self.framesPerTurn {
      guard let frame = (try socket?.nextFrame()) ?? nil else { return }
      try handle(frame)
    }
    hasUnreadInput = true
  }

  private func handle(_ frame: InboundFrame) throws(AMQPError) {
    guard let channel = channels[frame.channel] else {
      throw .protocolViolation("a frame on channel \(frame.channel), which is not open")
    }
    switch frame.payload {
    case .method(let method):
      try handle(method, on: channel)
    case .header(let size, let properties):
      if let content = try channel.assembler.header(size: size, properties: properties) {
        try handle(content, on: channel)
      }
    case .body(let fragment):
      if let content = try channel.assembler.body(fragment) {
        try handle(content, on: channel)
      }
    }
  }

  private func handle(_ method: InboundMethod, on channel: Channel) throws(AMQPError) {
    switch method {
    case .content(let subject):
      try channel.assembler.begin(subject)
    case .confirm(let tag, let multiple, let ack):
      try confirm(tag: tag, multiple: multiple, ack: ack, on: channel)
    case .connectionClose(let code, let text):
      try socket?.send(.connectionCloseOk, channel: Channel.connectionNumber)
      throw .connectionClosed(code: code, text: text)
    case .blocked(let reason):
      blockedReason = reason
      logger.warning("Blocked by the broker", metadata: ["reason": "\(reason)"])
      hub.emit(.blocked(reason: reason))
    case .unblocked:
      blockedReason = nil
      logger.notice("Unblocked by the broker")
      hub.emit(.unblocked)
    case .channelClose(let code, let text):
      try socket?.send(.channelCloseOk, channel: channel.number)
      // If this client has just done the same, the answer to that is still to come.
      if case .channelClose? = channel.current?.method { return }
      lose(channel, .channelClosed(code: code, text: text))
    case .flow(let active):
      try socket?.send(.flowOk(active: active), channel: channel.number)
    case .cancelled:
      guard case .consumer(let record) = channel.role else {
        throw .protocolViolation("basic.cancel on a channel without a consumer")
      }
      lostSubscription(record, on: channel)
    case .unexpected(let id):
      throw .protocolViolation("method \(id >> 16).\(id & 0xFFFF), which no broker sends")
    case .connectionCloseOk, .channelOpenOk, .channelCloseOk, .declared, .removed, .consumeOk,
      .done:
      guard channel.current != nil else {
        throw .protocolViolation("an answer on channel \(channel.number) to nothing")
      }
      channel.finishCurrent(.success(method))
    }
  }

  private func handle(_ content: Content, on channel: Channel) throws(AMQPError) {
    switch (content.subject, channel.role) {
    case (.delivery(let tag, let redelivered, let exchange, let key), .consumer(let record)):
      // A channel that is being closed still brings what was under way; it goes back to the queue.
      guard record.channel == channel.number else { return }
      try record.deliver(
        content.message, tag: tag, redelivered: redelivered, exchange: exchange, routingKey: key)
    case (.delivery, .publishing(let lane)) where lane === requesting:
      reply(content.message)
    case (.returned(let code, let text, let exchange, let key), .publishing(let lane)):
      guard
        lane.tracker.returned(
          content.message, exchange: exchange, routingKey: key, code: code, text: text)
      else {
        throw .protocolViolation("the return of a message that was not sent")
      }
    default:
      throw .protocolViolation("a message on channel \(channel.number), where none belongs")
    }
  }

  /// Whether anything could be written if the socket takes it.
  var wantsToSend: Bool {
    channels.values.contains { $0.wantsToSend }
      || consumers.values.contains { $0.ledger.hasPending }
      || canPublish(publishing) || canPublish(requesting)
  }

  /// Not before the topology is declared again: messages would find no queue.
  private func canPublish(_ lane: PublishLane) -> Bool {
    guard case .ready = phase else { return false }
    return lane.isReady && lane.hasWaiting && blockedReason == nil
      && lane.tracker.count < configuration.maximumUnconfirmed
  }

  private func send() throws(AMQPError) {
    socket?.cork()
    defer { socket?.uncork() }
    for record in consumers.values where record.ledger.hasPending {
      try sendSettlements(of: record)
    }
    for channel in channels.values {
      while let call = channel.nextToSend() {
        try socket?.send(call.method, channel: channel.number)
      }
    }
    try publish(from: publishing)
    try publish(from: requesting)
  }

  private func publish(from lane: PublishLane) throws(AMQPError) {
    var bytes = 0
    while bytes < Self.bytesPerTurn, canPublish(lane) {
      guard let slot = lane.next() else { return }
      let publication = slot.batch.publications[slot.index]
      lane.tracker.sent(slot, publication)
      try socket?.publish(publication, channel: lane.channel)
      bytes += publication.message.body.count + 256
    }
  }
}
