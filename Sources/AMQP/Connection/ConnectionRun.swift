import Logging
import Synchronization

extension Connection {
  /// Connects, and keeps connected until the task is cancelled; then it closes cleanly and returns.
  ///
  /// On closing, acknowledgements given so far are sent, publications without an answer become
  /// ``PublishVerdict/unknown(_:)``, those that were not sent ``PublishVerdict/notSent(_:)``, and
  /// consumers end. Everything else that waits gets ``AMQPError/closed(_:)``.
  ///
  /// Throws when ``ReconnectPolicy/initialAttempts`` have failed before the first success, with the
  /// last error; ``AMQPError/invalidArgument(_:)`` for a configuration that cannot work;
  /// ``AMQPError/connect(_:)`` if there can be no thread or descriptor for it;
  /// ``AMQPError/closed(_:)`` when it is called a second time.
  public func run() async throws(AMQPError) {
    try configuration.check()
    if let failure = loop.startFailure {
      throw .connect("no thread, or no descriptor, for the connection: \(failure)")
    }
    guard life.run() else { throw .closed("run() can be called once per connection") }
    let result = await withTaskCancellationHandler {
      await withDiscardingTaskGroup { group in
        let result = await supervise(&group)
        group.cancelAll()
        return result
      }
    } onCancel: {
      perform { $0.stop() }
    }
    try result.get()
  }

  private func stop() {
    guard life.stop() else { return }
    notices.post(.stop)
    endPauses { _ in true }
    let error = AMQPError.closed("stopped while connecting")
    if let dialing { endDialWait(dialing.id, .failure(error)) }
    if life.phase == .recovering { loseSession(error) }
  }

  var isStopping: Bool { life.isStopping }

  private func supervise(_ group: inout DiscardingTaskGroup) async -> Result<Void, AMQPError> {
    var backoff = Backoff(configuration.reconnect)
    var refusals = Backoff(configuration.reconnect.whileRefused)
    var result: Result<Void, AMQPError> = .success(())
    supervising: while !isStopping {
      let error: AMQPError
      do throws(AMQPError) {
        notices.removeAll()
        if isStopping { notices.post(.stop) }
        try attach(await dial())
        try await recover()
        becomeReady()
        let ready = ContinuousClock.now
        guard let loss = await serve(&group) else { break }
        backoff.succeeded(for: .now - ready)
        error = loss
      } catch let failure {
        error = failure
      }
      loseSession(error)
      switch life.failed(limit: configuration.reconnect.initialAttempts) {
      case .stop: break supervising
      case .giveUp:
        hub.emit(.disconnected(error))
        result = .failure(error)
        break supervising
      case .retry:
        hub.emit(.disconnected(error))
        if !dialCount.isRefused { refusals.reset() }
        let delay = dialCount.isRefused ? refusals.next() : backoff.next()
        logger.log(
          // An outage of hours does not fill the log.
          level: life.failures & (life.failures - 1) == 0 ? .warning : .debug, "Not connected",
          metadata: ["error": "\(error)", "retry-in": "\(delay)"])
        await pause(delay, endsWithSession: false)
      }
    }
    await close(result)
    return result
  }

  private func attach(_ session: Session) throws(AMQPError) {
    guard !isStopping else { throw .closed("stopped while connecting") }
    life.connected()
    self.session = session
    broker = session.broker
    frameMax.store(session.limits.frameMax, ordering: .relaxed)
    declared.describe(session.broker)
    session.onEvent = { self.handle($0) }
    session.replacement = { [weak session] channel in
      guard let session, self.session === session, case .control = channel.role else { return nil }
      return try? self.controlChannel()
    }
    publisher.attach(session)
  }

  private func handle(_ event: Session.Event) {
    switch event {
    case .blocked(let reason):
      logger.warning("Blocked by the broker", metadata: ["reason": "\(reason)"])
      hub.emit(.blocked(reason: reason))
    case .unblocked:
      logger.notice("Unblocked by the broker")
      hub.emit(.unblocked)
    case .reply(let message):
      if !requests.reply(message) { logger.debug("Dropped a late reply") }
    case .cancelled(let record):
      lostSubscription(record)
    case .lost(let channel, let error):
      switch channel.role {
      case .connection, .control: break
      case .publishing(let publishing): publisher.lost(publishing, error)
      case .consumer(let record): lost(record, channel, error)
      case .getting: if getting === channel { getting = nil }
      }
    }
  }

  private func recover() async throws(AMQPError) {
    guard let session else { throw lastError ?? .socket("lost while recovering") }
    let refused = try await declareAgain(session)
    if !refused.isEmpty { notices.post(.redeclare) }
    for record in consumers.all where !record.isCancelled {
      // One that may cost this connection, too, waits until the others have been served for a while.
      if let failure = record.lastFailure {
        notices.post(.repair(consumer: record.id, failure))
        continue
      }
      do throws(AMQPError) {
        try await subscribe(record)
      } catch {
        guard self.session === session else { throw error }
        notices.post(.repair(consumer: record.id, error))
      }
    }
    guard self.session === session else { throw lastError ?? .socket("lost while recovering") }
  }

  private func becomeReady() {
    guard life.recovered() else { return }
    lastError = nil
    publisher.isOpen = true
    logger.info("Connected", metadata: ["generation": "\(generation)"])
    hub.emit(.connected(generation: generation))
    let waiters = readyWaiters
    readyWaiters = [:]
    for waiter in waiters.values {
      waiter.deadline?.cancel()
      waiter.resume(.success(()))
    }
  }

  /// Deals with notices until the connection is lost: the error; or the task is cancelled: `nil`.
  private func serve(_ group: inout DiscardingTaskGroup) async -> AMQPError? {
    while true {
      switch notices.take() {
      case .lost(let session, let error):
        if session == generation { return error }
      case .repair(let id, let error):
        group.addTask { await self.repair(consumer: id, error) }
      case .redeclare:
        group.addTask { await self.redeclare() }
      case .stop:
        return nil
      case nil:
        await withCheckedContinuation { continuation in
          notices.wait { continuation.resume() }
        }
      }
    }
  }

  /// The connection is gone: whoever waits for it is told, what waits to be sent stays.
  func loseSession(_ error: AMQPError) {
    lastError = error
    guard let session else { return }
    self.session = nil
    getting = nil
    life.lost()
    session.end(error)
    publisher.detach(error)
    for record in consumers.all {
      record.lost()
      if record.isCancelled { consumers.remove(record.id) }
    }
    endPauses { $0.endsWithSession }
    notices.post(.lost(generation: session.number, error))
  }

  private func close(_ result: Result<Void, AMQPError>) async {
    // Nothing may follow connection.close: what is unsent is not sent.
    publisher.isOpen = false
    if life.close(), let session, let channel = session.connectionChannel {
      // Acknowledgements go first.
      try? session.flush()
      _ = try? await call(
        .connectionClose, on: channel, timeout: min(configuration.rpcTimeout, .seconds(5)))
    }
    loseSession(.closed("run() has ended"))
    life.end()
    let why = (try? result.get()) == nil ? "run() has failed" : "run() has ended"
    publisher.close(why)
    room.close()
    requests.failAll(.closed(why))
    let waiters = readyWaiters
    readyWaiters = [:]
    for waiter in waiters.values {
      waiter.deadline?.cancel()
      waiter.resume(.failure(.closed(why)))
    }
    for record in consumers.all { record.buffer.finish(.success(nil)) }
    consumers.removeAll()
    notices.removeAll()
    logger.info("Connection ended")
    hub.finish()
  }

  // MARK: Calls

  /// Asks the broker something and waits for the answer.
  func call(
    _ method: OutboundMethod, on channel: Channel, timeout: Duration? = nil
  ) async throws(AMQPError) -> InboundMethod {
    guard case .method(let answer) = try await ask(method, on: channel, timeout: timeout) else {
      throw .protocolViolation("a message instead of an answer")
    }
    return answer
  }

  func ask(
    _ method: OutboundMethod, on channel: Channel, timeout: Duration? = nil
  ) async throws(AMQPError) -> Reply {
    guard let session else { throw lastError ?? .socket("not connected") }
    let result: Call.Outcome = await withCheckedContinuation { continuation in
      session.ask(method, on: channel, timeout: timeout) { continuation.resume(returning: $0) }
    }
    return try result.get()
  }

  /// Tries until it succeeds, as long as it fails only because the connection is lost, and for at
  /// most `rpcTimeout` and the time that one answer may take. For what may be done twice without
  /// harm.
  func retrying<Value: Sendable>(
    _ body: () async throws(AMQPError) -> Value
  ) async throws(AMQPError) -> Value {
    let end = ContinuousClock.now + configuration.rpcTimeout
    while true {
      try await waitUntilReady(timeout: end - .now)
      do throws(AMQPError) {
        return try await body()
      } catch {
        guard error.isConnectionLoss, .now < end else { throw error }
      }
    }
  }

  /// Gives the broker the new secret of this connection's user, before the old one expires, so that
  /// the connection can stay (connection.update-secret, of RabbitMQ). For the next connection the
  /// credentials provider must give it too.
  public func updateSecret(_ secret: String, reason: String = "rotation") async throws(AMQPError) {
    try ShortString.check(reason, "the reason")
    try await waitUntilReady(timeout: configuration.rpcTimeout)
    guard let channel = session?.connectionChannel else {
      throw lastError ?? .socket("not connected")
    }
    _ = try await call(.updateSecret(Array(secret.utf8), reason: reason), on: channel)
  }
}
