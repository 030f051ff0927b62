public import Logging
import Synchronization

/// One connection to a RabbitMQ broker that heals itself: publishing, consuming, declaring.
///
/// It is an actor on a thread of its own that never blocks but in `poll`: whatever the broker, the
/// network or a name server does, it goes on serving whoever waits for something else. ``run()`` is
/// its life: without it running, everything else waits.
///
/// After a loss it reconnects for ever, to whichever of its hosts answers, declares the topology
/// again, and subscribes its consumers again. What the broker refuses then is reported
/// (``ConnectionEvent/declarationRefused(_:_:)``) and tried again by itself, while all else goes on.
///
/// Use one connection for publishing and another for consuming: RabbitMQ stops reading from a
/// connection that publishes when it is short of memory or disk, and acknowledgements would wait with
/// the publications; and a consumer that takes nothing stops the reading of its connection (see
/// ``ConnectionConfiguration/maximumBufferedBytes``), confirms included.
public actor Connection: EventLoopOwner {
  nonisolated let configuration: ConnectionConfiguration
  nonisolated let logger: Logger
  nonisolated let loop: EventLoop
  nonisolated let hub = EventHub()
  /// What may wait to be published and confirmed.
  nonisolated let room: PublishRoom
  /// The largest frame to encode publications for.
  nonisolated let frameMax: Atomic<Int>
  nonisolated let budget: ReceiveBudget
  private nonisolated let credentials: (@Sendable () async throws -> Credentials)?

  let timers = Timers()
  var life = ConnectionLife()
  var session: Session?
  /// Counts the connections that were made.
  public internal(set) var generation: UInt64 = 0
  /// What the broker said of itself when the last connection was made; `nil` before the first.
  public internal(set) var broker: BrokerInfo?
  var lastError: AMQPError?
  /// Which host is tried first.
  var firstHost = 0
  var dialing: DialWait?
  var dialCount = DialCount()

  let publisher: Publisher
  let requests = RequestTable()
  let declared: DeclaredTopology
  let consumers = ConsumerTable()
  /// Where declarations and the like are asked.
  private var control: Channel?
  /// Where messages are got one by one.
  var getting: Channel?
  var statisticsSoFar = ConnectionStatistics()

  /// Numbers consumers, subscriptions, requests and waits.
  private var lastNumber: UInt64 = 0
  var readyWaiters: [UInt64: ReadyWaiter] = [:]
  var pauses: [UInt64: Pause] = [:]
  var notices = NoticeBox()

  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    loop.asUnownedSerialExecutor()
  }

  /// A connection that ``run()`` will make. Nothing is sent before.
  ///
  /// - Parameters:
  ///   - configuration: where the broker is, and how to talk to it.
  ///   - topology: declared before the connection is ready for the first time, and each time it is
  ///     back.
  ///   - credentials: asked before each log-in by user name and password, so that they may change;
  ///     `nil`: those of the configuration.
  ///   - logger: for what happens to the connection.
  public init(
    configuration: ConnectionConfiguration, topology: Topology = Topology(),
    credentials: (@Sendable () async throws -> Credentials)? = nil, logger: Logger
  ) {
    self.init(
      configuration: configuration, topology: { _ in topology }, credentials: credentials,
      logger: logger)
  }

  /// A connection that ``run()`` will make. Nothing is sent before.
  ///
  /// - Parameters:
  ///   - configuration: where the broker is, and how to talk to it.
  ///   - topology: asked each time the connection is made, so that it may depend on the broker's
  ///     version. What it gives is declared before the connection is ready, together with what
  ///     ``declare(_:)`` has added. What has been deleted since stays deleted, unless it is described
  ///     differently now.
  ///   - credentials: asked before each log-in by user name and password, so that they may change;
  ///     `nil`: those of the configuration.
  ///   - logger: for what happens to the connection.
  public init(
    configuration: ConnectionConfiguration,
    topology: @escaping @Sendable (BrokerInfo) -> Topology,
    credentials: (@Sendable () async throws -> Credentials)? = nil, logger: Logger
  ) {
    self.init(
      configuration: configuration, topology: topology, credentials: credentials, logger: logger,
      loop: EventLoop(
        name: configuration.connectionName.isEmpty ? "amqp" : configuration.connectionName))
  }

  init(
    configuration: ConnectionConfiguration,
    topology: @escaping @Sendable (BrokerInfo) -> Topology,
    credentials: (@Sendable () async throws -> Credentials)?, logger: Logger, loop: EventLoop
  ) {
    self.configuration = configuration
    self.credentials = credentials
    var logger = logger
    logger[metadataKey: "broker"] = "\(configuration.endpoint)"
    if !configuration.connectionName.isEmpty {
      logger[metadataKey: "connection"] = "\(configuration.connectionName)"
    }
    self.logger = logger
    self.loop = loop
    room = PublishRoom(limit: configuration.maximumPendingBytes)
    frameMax = Atomic(Int(configuration.frameMax))
    // Whoever takes deliveries wakes the connection, which looks whether it may read again.
    budget = ReceiveBudget(limit: configuration.maximumBufferedBytes) { [weak loop] in
      loop?.perform {}
    }
    declared = DeclaredTopology(topology)
    publisher = Publisher(configuration, timers: timers, logger: logger)
    publisher.onRequestsLost = { [requests] error in requests.failAll(error) }
    loop.setOwner(self)
  }

  /// What happens to the connection from now on. Each call makes a new listener; one that does not
  /// keep up loses the oldest of 256 events. Ends when ``run()`` ends.
  public nonisolated func events() -> AsyncStream<ConnectionEvent> {
    hub.listen()
  }

  /// Counters of what this connection has done so far, to be exported by whatever collects metrics.
  public var statistics: ConnectionStatistics {
    var statistics = statisticsSoFar
    statistics.connections = generation
    statistics.bytesPending = room.used
    statistics.unconfirmed = publisher.inFlight
    return statistics
  }

  /// Runs `body` isolated to the connection, without waiting for it: see ``EventLoop``.
  nonisolated func perform(
    isUrgent: Bool = true, _ body: @escaping @Sendable (isolated Connection) -> Void
  ) {
    loop.perform(isUrgent: isUrgent) { [weak self] in
      self?.assumeIsolated(body)
    }
  }

  func nextNumber() -> UInt64 {
    lastNumber += 1
    return lastNumber
  }

  /// The user and password to log in with.
  func currentCredentials(within timeout: Duration) async throws(AMQPError) -> Credentials {
    guard let credentials else {
      return Credentials(username: configuration.username, password: configuration.password)
    }
    let result: Result<Credentials, AMQPError> = await withCheckedContinuation { continuation in
      let answer = FirstAnswer(continuation)
      let deadline = timers.schedule(after: timeout) {
        answer.give(.failure(.connect("no credentials within \(timeout)")))
      }
      // It may be slow or blocking, which is not to hold up this thread; it outlives its time.
      Task.detached { [weak self] in
        let result: Result<Credentials, AMQPError>
        do {
          result = .success(try await credentials())
        } catch {
          result = .failure(.connect("no credentials: \(error)"))
        }
        answer.give(result)
        _ = self
      }
      _ = deadline
    }
    return try result.get()
  }

  /// Where declarations and the like are asked.
  func controlChannel() throws(AMQPError) -> Channel {
    if let control, control.life.phase == .open { return control }
    guard let session else { throw lastError ?? .socket("not connected") }
    let channel = try session.open(.control)
    control = channel
    return channel
  }

  // MARK: The event loop's turn

  nonisolated func turn(_ readiness: Readiness) -> PollPlan {
    assumeIsolated { $0.takeTurn(readiness) }
  }

  /// Between two polls: takes in what came, sends what waits, does what is due.
  private func takeTurn(_ readiness: Readiness) -> PollPlan {
    if let wait = dialing, wait.id == readiness.token, readiness.readable || readiness.writable {
      endDialWait(wait.id, .success([]))
    }
    if let session {
      keep(session) { session throws(AMQPError) in
        let isPaused = budget.isExceeded
        if session.isPaused != isPaused { session.isPaused = isPaused }
        let now = ContinuousClock.now
        try session.takeInput(readiness.token == session.token ? readiness : Readiness(), now)
        try session.checkHeartbeats(now)
      }
    }
    timers.fire()
    if let session {
      keep(session) { session throws(AMQPError) in
        try publisher.pump()
        try session.flush()
        let isPaused = budget.isExceeded
        if session.isPaused != isPaused { session.isPaused = isPaused }
      }
    }
    return plan()
  }

  private func keep(_ session: Session, _ body: (Session) throws(AMQPError) -> Void) {
    do throws(AMQPError) {
      try body(session)
    } catch {
      guard self.session === session else { return }
      logger.debug("Connection lost", metadata: ["error": "\(error)"])
      loseSession(error)
    }
  }

  private func plan() -> PollPlan {
    var plan = PollPlan()
    if life.phase == .notStarted || life.phase == .ended { timers.sweep() }
    plan.deadline = timers.next
    if let session {
      plan.descriptor = session.descriptor
      plan.token = session.token
      plan.wantsInput = session.wantsInput && session.gathersUntil == nil
      plan.wantsOutput = session.wantsOutput
      plan.immediately = session.hasUnreadInput && session.wantsInput
      if let check = session.nextCheck { plan.deadline = min(plan.deadline ?? check, check) }
      if let end = session.gathersUntil {
        plan.isGathering = true
        plan.deadline = min(plan.deadline ?? end, end)
      }
    } else if let wait = dialing, let descriptor = wait.descriptor {
      plan.descriptor = descriptor
      plan.token = wait.id
      plan.wantsInput = !wait.isForOutput
      plan.wantsOutput = wait.isForOutput
    }
    switch life.phase {
    case .notStarted, .ended: plan.idle = session == nil && timers.next == nil
    default: plan.idle = false
    }
    return plan
  }
}

extension Session {
  /// Tells its socket from all that were polled before.
  var token: UInt64 { number | 1 << 63 }
}

/// Resumes a continuation with the first of several answers.
final class FirstAnswer<Value: Sendable>: Sendable {
  private let continuation: Mutex<CheckedContinuation<Value, Never>?>

  init(_ continuation: CheckedContinuation<Value, Never>) {
    self.continuation = Mutex(continuation)
  }

  func give(_ value: Value) {
    let continuation = continuation.withLock { continuation in
      defer { continuation = nil }
      return continuation
    }
    continuation?.resume(returning: value)
  }
}

/// What a connection has done so far.
public struct ConnectionStatistics: Sendable, Hashable {
  /// Connections made.
  public var connections: UInt64 = 0
  /// Messages that the broker was asked to take, and their verdicts.
  public var confirmed: UInt64 = 0
  /// Messages that reached no queue.
  public var returned: UInt64 = 0
  /// Messages that the broker refused.
  public var nacked: UInt64 = 0
  /// Messages that were never sent.
  public var notSent: UInt64 = 0
  /// Messages of which nobody knows what became of them.
  public var unknown: UInt64 = 0
  /// Messages that wait for the broker's answer now.
  public var unconfirmed: Int = 0
  /// Bytes of messages that wait to be sent or confirmed now.
  public var bytesPending: Int = 0
}
