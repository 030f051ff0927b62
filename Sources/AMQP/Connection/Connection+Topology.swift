import Logging

extension Connection {
  /// Declares exchanges, then queues, then bindings, and remembers them: they are declared again
  /// after each reconnect.
  ///
  /// While there is no connection it waits for one, for at most `rpcTimeout`. What the broker
  /// refuses is not remembered.
  ///
  /// Throws ``AMQPError/channelClosed(code:text:)`` with the broker's reason: 406 if it exists with
  /// other properties, 405 if it is exclusive to another connection, 404 if a binding's end does
  /// not exist.
  public func declare(_ topology: Topology) async throws(AMQPError) {
    try topology.check()
    try await retrying { () throws(AMQPError) in try await declareAll(topology) }
    self.topology.merge(topology)
  }

  /// Makes a binding, and remembers it.
  public func bind(_ binding: Binding) async throws(AMQPError) {
    try await declare(Topology(bindings: [binding]))
  }

  /// Removes a binding, and forgets it.
  public func unbind(_ binding: Binding) async throws(AMQPError) {
    try Topology(bindings: [binding]).check()
    topology.bindings.removeAll { $0 == binding }
    _ = try await control(.unbind(binding))
  }

  /// Deletes a queue, and forgets it and its bindings. Returns how many messages went with it.
  ///
  /// Throws ``AMQPError/channelClosed(code:text:)`` with code 406 if a condition is not met.
  @discardableResult
  public func delete(
    queue: String, ifUnused: Bool = false, ifEmpty: Bool = false
  ) async throws(AMQPError) -> Int {
    try ShortString.check(queue, "the queue's name")
    // Before the broker is asked: it may end the queue's consumers before it answers, and they are
    // not to declare the queue again.
    let forgotten = topology.remove(queue: queue)
    do throws(AMQPError) {
      return try await removed(
        control(.queueDelete(queue, ifUnused: ifUnused, ifEmpty: ifEmpty)))
    } catch {
      topology.merge(forgotten)
      throw error
    }
  }

  /// Deletes an exchange, and forgets it and its bindings.
  ///
  /// Throws ``AMQPError/channelClosed(code:text:)`` with code 406 if a condition is not met.
  public func delete(exchange: String, ifUnused: Bool = false) async throws(AMQPError) {
    try ShortString.check(exchange, "the exchange's name")
    _ = try await control(.exchangeDelete(exchange, ifUnused: ifUnused))
    topology.remove(exchange: exchange)
  }

  /// Removes the messages that wait in a queue (not those that are delivered and unacknowledged).
  /// Returns how many.
  @discardableResult
  public func purge(queue: String) async throws(AMQPError) -> Int {
    try ShortString.check(queue, "the queue's name")
    return try await removed(control(.queuePurge(queue)))
  }

  /// Asks how many messages and consumers a queue has.
  ///
  /// Throws ``AMQPError/channelClosed(code:text:)`` with code 404 if there is no such queue.
  public func inspect(queue: String) async throws(AMQPError) -> QueueInfo {
    try ShortString.check(queue, "the queue's name")
    let answer = try await control(.queueInspect(queue))
    guard case .declared(let name, let messages, let consumers) = answer else {
      throw .protocolViolation("\(answer) instead of queue.declare-ok")
    }
    return QueueInfo(name: name, messages: messages, consumers: consumers)
  }

  private func control(_ method: OutboundMethod) async throws(AMQPError) -> InboundMethod {
    try await retrying { () throws(AMQPError) in
      try await call(method, on: Channel.controlNumber)
    }
  }

  private func removed(_ answer: InboundMethod) throws(AMQPError) -> Int {
    guard case .removed(let messages) = answer else {
      throw .protocolViolation("\(answer) instead of purge-ok or delete-ok")
    }
    return Int(messages)
  }

  private func declareAll(_ topology: Topology) async throws(AMQPError) {
    for exchange in topology.exchanges {
      _ = try await call(.exchangeDeclare(exchange), on: Channel.controlNumber)
    }
    for queue in topology.queues {
      _ = try await call(.queueDeclare(queue), on: Channel.controlNumber)
    }
    for binding in topology.bindings {
      _ = try await call(.bind(binding), on: Channel.controlNumber)
    }
  }

  /// Declares what is remembered, on a new connection. An exclusive queue may still be held by the
  /// connection before, which the broker has not yet given up: that is waited for.
  func declareAgain(_ topology: Topology, session: UInt64) async throws(AMQPError) {
    var backoff = Backoff(configuration.reconnect)
    while true {
      do throws(AMQPError) {
        try await declareAll(topology)
        return
      } catch {
        guard error.replyCode == ReplyCode.resourceLocked, generation == session, socket != nil
        else { throw error }
        lastError = error
        let delay = backoff.next()
        logger.warning(
          "Topology not yet declared", metadata: ["error": "\(error)", "retry-in": "\(delay)"])
        await pause(delay, endsWithSession: true)
        guard generation == session, socket != nil else {
          throw lastError ?? .socket("lost while declaring")
        }
      }
    }
  }
}
