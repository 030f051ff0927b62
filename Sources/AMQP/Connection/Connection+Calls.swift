import Logging

extension Connection {
  /// Asks the broker something and waits for the answer.
  ///
  /// An answer that does not come in time is a ``AMQPError/timeout(_:)``; when it comes after all
  /// it is dropped.
  func call(
    _ method: OutboundMethod, on number: UInt16, timeout: Duration? = nil
  ) async throws(AMQPError) -> InboundMethod {
    guard let channel = channels[number] else {
      throw lastError ?? .socket("not connected")
    }
    guard !channel.isClosing else { throw .closed("the channel is being closed") }
    let result: Result<InboundMethod, AMQPError> = await withCheckedContinuation { continuation in
      enqueue(method, on: channel, timeout: timeout) { continuation.resume(returning: $0) }
    }
    return try result.get()
  }

  /// Puts a call in line.
  func enqueue(
    _ method: OutboundMethod, on channel: Channel, timeout: Duration? = nil,
    completion: @escaping (Result<InboundMethod, AMQPError>) -> Void
  ) {
    let timeout = timeout ?? configuration.rpcTimeout
    let call = Call(method, completion: completion)
    call.deadline = schedule(after: timeout) { [weak call] in
      call?.finish(.failure(.timeout("\(method.subject): no answer within \(timeout)")))
    }
    channel.waiting.append(call)
  }

  /// Opens a channel, which is then usable: what is asked on it waits in line.
  func open(channel: Channel) {
    channels[channel.number] = channel
    enqueue(.channelOpen, on: channel) { _ in
      // A failure is the connection's, or the next call on the channel finds it.
    }
  }

  /// Opens a confirm channel.
  func open(lane: PublishLane) {
    let channel = Channel(number: lane.channel, role: .publishing(lane))
    open(channel: channel)
    enqueue(.confirmSelect, on: channel) { result in
      self.loseIfUnanswered(result)
      if case .success = result, lane === self.publishing { lane.isReady = true }
    }
    guard lane === requesting else { return }
    // Replies come to the channel that asks, and to it alone (RabbitMQ, "Direct Reply-to").
    let replies = Subscription(queue: Self.directReplyTo, prefetch: 0, noAck: true)
    enqueue(.consume(replies), on: channel) { result in
      self.loseIfUnanswered(result)
      if case .success = result { lane.isReady = true }
    }
  }

  /// A lane whose opening got no answer would never be ready: better to connect anew.
  private func loseIfUnanswered(_ result: Result<InboundMethod, AMQPError>) {
    if case .failure(let error) = result, case .timeout = error { loseSession(error) }
  }

  /// The broker has closed a channel. The connection stays; the channel is opened again where it is
  /// needed.
  func lose(_ channel: Channel, _ error: AMQPError) {
    channels[channel.number] = nil
    logger.warning(
      "Channel closed by the broker",
      metadata: ["channel": "\(channel.number)", "error": "\(error)"])
    switch channel.role {
    case .connection:
      break
    case .control:
      // Only the current call is to blame.
      channel.finishCurrent(.failure(error))
      let next = Channel(number: channel.number, role: .control)
      open(channel: next)
      for call in channel.waiting.removeAll() { next.waiting.append(call) }
    case .publishing(let lane):
      channel.fail(error)
      if lane === publishing {
        lane.lost(error.description)
        open(lane: lane)
      } else {
        // The address for replies was the channel's: nobody can be answered any more.
        failRequests(error)
        lane.close(error.description)
      }
    case .consumer(let record):
      let wasSubscribed = record.consumerTag != nil
      let isCurrent = record.channel == channel.number
      if isCurrent { record.lost() }
      channel.fail(error)
      guard isCurrent else { return }
      if record.isCancelled {
        consumers[record.id] = nil
      } else if wasSubscribed {
        notices.post(.repair(consumer: record.id, error))
      }
    }
  }

  /// Closes a channel, without waiting for it. Its number is free once the broker has agreed; that,
  /// or that it does not agree in time, is told to `completion`.
  func close(_ channel: Channel, completion: @escaping () -> Void = {}) {
    guard channels[channel.number] === channel, !channel.isClosing else { return completion() }
    let isUnopened = channel.isUnopened
    channel.isClosing = true
    channel.abandonCalls(.closed("the channel is being closed"))
    guard !isUnopened else {
      channels[channel.number] = nil
      return completion()
    }
    // The broker has to agree however long it takes; only `completion` does not wait so long.
    var completion: (() -> Void)? = completion
    let deadline = schedule(after: configuration.rpcTimeout) {
      completion?()
      completion = nil
    }
    channel.waiting.append(
      Call(.channelClose) { result in
        if case .success = result, self.channels[channel.number] === channel {
          self.channels[channel.number] = nil
        }
        deadline.cancel()
        completion?()
        completion = nil
      })
  }
}
