import Logging

extension Connection {
  /// Connects, and keeps connected until the task is cancelled; then it closes cleanly and returns.
  ///
  /// On closing, acknowledgements given so far are sent, publications without an answer become
  /// ``PublishVerdict/unknown(_:)``, those that were not sent ``PublishVerdict/notSent(_:)``, and consumers end. Everything else that waits gets
  /// ``AMQPError/closed(_:)``.
  ///
  /// Throws when ``ReconnectPolicy/initialAttempts`` have failed before the first success, with the
  /// last error; ``AMQPError/invalidArgument(_:)`` for a configuration that cannot work;
  /// ``AMQPError/closed(_:)`` when it is called a second time.
  public func run() async throws(AMQPError) {
    guard case .notStarted = phase else {
      throw .closed("run() can be called once per connection")
    }
    try configuration.check()
    phase = .connecting
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
    guard !isStopping else { return }
    isStopping = true
    notices.post(.stop)
    endPauses { _ in true }
    if case .recovering = phase { loseSession(.closed("stopped while connecting")) }
  }

  private func supervise(_ group: inout DiscardingTaskGroup) async -> Result<Void, AMQPError> {
    var backoff = Backoff(configuration.reconnect)
    var failures = 0
    var result: Result<Void, AMQPError> = .success(())
    while !isStopping {
      let error: AMQPError
      do throws(AMQPError) {
        try connect()
        try await recover()
        becomeReady()
        failures = 0
        backoff.reset()
        guard let loss = await serve(&group) else { break }
        error = loss
      } catch let failure {
        error = failure
      }
      loseSession(error)
      guard !isStopping else { break }
      hub.emit(.disconnected(error))
      failures += 1
      if !hasBeenReady, let limit = configuration.reconnect.initialAttempts,
        failures >= limit
      {
        result = .failure(error)
        break
      }
      let delay = backoff.next()
      logger.warning("Not connected", metadata: ["error": "\(error)", "retry-in": "\(delay)"])
      await pause(delay, endsWithSession: false)
    }
    await close(result)
    return result
  }

  /// Makes the connection; blocks this thread, which is the connection's own.
  private func connect() throws(AMQPError) {
    phase = .connecting
    notices.removeAll()
    if isStopping { notices.post(.stop) }
    let socket = try BrokerSocket.open(configuration)
    let broker = socket.broker
    self.socket = consume socket
    self.broker = broker
    let told = describedTopology(broker)
    topology.replace(lastDescribed, with: told)
    lastDescribed = told
    channels = [:]
    generation += 1
    lastReceived = .now
    lastServiced = .now
    hasUnreadInput = true
    channels[Channel.connectionNumber] = Channel(
      number: Channel.connectionNumber, role: .connection)
    open(channel: Channel(number: Channel.controlNumber, role: .control))
    open(lane: publishing)
    phase = .recovering
  }

  private func recover() async throws(AMQPError) {
    let session = generation
    try await declareAgain(topology, session: session)
    for record in consumers.values.sorted(by: { $0.id < $1.id }) where !record.isCancelled {
      do throws(AMQPError) {
        try await subscribe(record)
      } catch {
        guard generation == session, socket != nil else { throw error }
        notices.post(.repair(consumer: record.id, error))
      }
    }
    guard generation == session, socket != nil else {
      throw lastError ?? .socket("lost while recovering")
    }
  }

  private func becomeReady() {
    phase = .ready
    hasBeenReady = true
    lastError = nil
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
    guard socket != nil else {
      lastError = error
      return
    }
    socket = nil
    lastError = error
    blockedReason = nil
    hasUnreadInput = false
    switch phase {
    case .recovering, .ready: phase = .connecting
    case .notStarted, .connecting, .closing, .ended: break
    }
    let lost = channels.values
    channels = [:]
    for channel in lost { channel.fail(error) }
    publishing.lost(error.description)
    failRequests(error)
    requesting.close(error.description)
    for record in consumers.values {
      record.lost()
      if record.isCancelled { consumers[record.id] = nil }
    }
    endPauses { $0.endsWithSession }
    notices.post(.lost(generation: generation, error))
  }

  private func close(_ result: Result<Void, AMQPError>) async {
    if socket != nil, case .ready = phase {
      phase = .closing
      // Acknowledgements go first: a turn sends them before it sends calls.
      _ = try? await call(
        .connectionClose, on: Channel.connectionNumber,
        timeout: min(configuration.rpcTimeout, .seconds(5)))
    }
    loseSession(.closed("run() has ended"))
    phase = .ended
    let why = (try? result.get()) == nil ? "run() has failed" : "run() has ended"
    publishing.close(why)
    requesting.close(why)
    let waiters = readyWaiters
    readyWaiters = [:]
    for waiter in waiters.values {
      waiter.deadline?.cancel()
      waiter.resume(.failure(.closed(why)))
    }
    for record in consumers.values { record.buffer.finish(.success(nil)) }
    consumers = [:]
    notices.removeAll()
    logger.info("Connection ended")
    hub.finish()
  }
}
