public import Logging

/// One connection to a RabbitMQ broker that heals itself: publishing, consuming, declaring.
///
/// It is an actor on a thread of its own, so that the C library underneath, which blocks and is not
/// thread-safe, never holds up Swift's cooperative thread pool. ``run()`` is its life: without it
/// running, everything else waits.
///
/// After a loss it reconnects for ever, declares the topology again, and subscribes its consumers
/// again. Use one connection for publishing and another for consuming: RabbitMQ stops reading from
/// a connection that publishes when it is short of memory or disk, and acknowledgements would wait
/// with the publications.
public actor Connection: EventLoopOwner {
  /// Where a connection is in its life.
  enum Phase {
    case notStarted
    case connecting
    case recovering
    case ready
    case closing
    case ended
  }

  nonisolated let configuration: ConnectionConfiguration
  nonisolated let logger: Logger
  nonisolated let loop: EventLoop
  nonisolated let hub = EventHub()

  var phase = Phase.notStarted
  /// ``run()``'s task has been cancelled.
  var isStopping = false
  var socket: BrokerSocket?
  /// Counts the connections that were made.
  public internal(set) var generation: UInt64 = 0
  /// What the broker said of itself when the last connection was made; `nil` before the first.
  public internal(set) var broker: BrokerInfo?
  var lastError: AMQPError?
  var hasBeenReady = false
  /// Why the broker takes no publications, if it does not.
  var blockedReason: String?

  var channels: [UInt16: Channel] = [:]
  let publishing = PublishLane(channel: Channel.publishingNumber)
  let requesting = PublishLane(channel: Channel.requestingNumber)
  /// Requests that wait for their reply, by correlation id.
  var requests: [String: PendingRequest] = [:]
  var topology: Topology
  /// The topology that was given at the beginning, by the broker that there is.
  let describedTopology: @Sendable (BrokerInfo) -> Topology
  /// What that said last time.
  var lastDescribed = Topology()
  var consumers: [UInt64: ConsumerRecord] = [:]

  /// Numbers consumers, subscriptions, requests and waits.
  private var lastNumber: UInt64 = 0
  private var deadlines = DeadlineQueue<Deadline>()
  var readyWaiters: [UInt64: ReadyWaiter] = [:]
  var pauses: [UInt64: Pause] = [:]
  var notices = NoticeBox()
  /// When something last arrived, when the library was last given the chance to send a heartbeat.
  var lastReceived = ContinuousClock.now
  var lastServiced = ContinuousClock.now
  /// Frames may be waiting that no poll will report.
  var hasUnreadInput = false

  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    loop.asUnownedSerialExecutor()
  }

  /// A connection that ``run()`` will make. Nothing is sent before.
  ///
  /// - Parameter topology: declared before the connection is ready for the first time, and each time it is back.
  public init(
    configuration: ConnectionConfiguration, topology: Topology = Topology(), logger: Logger
  ) {
    self.init(configuration: configuration, topology: { _ in topology }, logger: logger)
  }

  /// A connection that ``run()`` will make. Nothing is sent before.
  ///
  /// - Parameter topology: asked each time the connection is made, so that it may depend on the
  ///   broker's version. What it gives is declared before the connection is ready, together with
  ///   what ``declare(_:)`` has added. What has been deleted since stays deleted, unless it is
  ///   described differently now.
  public init(
    configuration: ConnectionConfiguration,
    topology: @escaping @Sendable (BrokerInfo) -> Topology, logger: Logger
  ) {
    self.configuration = configuration
    self.topology = Topology()
    describedTopology = topology
    var logger = logger
    logger[metadataKey: "broker"] = "\(configuration.endpoint)"
    if !configuration.connectionName.isEmpty {
      logger[metadataKey: "connection"] = "\(configuration.connectionName)"
    }
    self.logger = logger
    loop = EventLoop(
      name: configuration.connectionName.isEmpty ? "amqp" : configuration.connectionName)
    loop.setOwner(self)
  }

  /// What happens to the connection from now on. Each call makes a new listener; one that does not
  /// keep up loses the oldest of 256 events. Ends when ``run()`` ends.
  public nonisolated func events() -> AsyncStream<ConnectionEvent> {
    hub.listen()
  }

  /// Runs `body` isolated to the connection, from where no task can be awaited.
  nonisolated func perform(_ body: @escaping @Sendable (isolated Connection) -> Void) {
    loop.perform { [weak self] in
      self?.assumeIsolated(body)
    }
  }

  nonisolated func turn(_ readiness: Readiness) -> PollPlan {
    assumeIsolated { $0.takeTurn(readiness) }
  }

  func nextNumber() -> UInt64 {
    lastNumber += 1
    return lastNumber
  }

  /// Does `action` after `timeout`, unless it is cancelled before. Whatever it holds on to, this
  /// actor included, it lets go of then.
  func schedule(after timeout: Duration, _ action: @escaping () -> Void) -> Deadline {
    // Waits that ended early leave their deadlines behind; sweep before they outnumber the live
    // ones by far.
    if deadlines.count >= sweepLimit {
      deadlines.prune { !$0.isPending }
      sweepLimit = max(1_024, deadlines.count * 2)
    }
    let deadline = Deadline(action)
    deadlines.insert(deadline, at: .now + max(timeout, .zero))
    return deadline
  }

  private var sweepLimit = 1_024

  func fireDeadlines() {
    let now = ContinuousClock.now
    while let deadline = deadlines.pop(due: now) { deadline.fire() }
  }

  func plan() -> PollPlan {
    var plan = PollPlan()
    plan.deadline = deadlines.next
    if let descriptor = socket?.descriptor, descriptor >= 0 {
      plan.descriptor = descriptor
      plan.wantsWrite = wantsToSend
      plan.immediately = hasUnreadInput
      if let service = heartbeatInterval.map({ lastServiced + $0 }) {
        plan.deadline = min(plan.deadline ?? service, service)
      }
    }
    switch phase {
    case .notStarted, .ended:
      if deadlines.next != nil {
        deadlines.prune { !$0.isPending }
      }
      plan.idle = socket == nil && deadlines.next == nil
    default:
      plan.idle = false
    }
    return plan
  }

  /// How often the library must be called so that it can send heartbeats.
  private var heartbeatInterval: Duration? {
    guard let heartbeat = socket?.heartbeat, heartbeat > 0 else { return nil }
    return .milliseconds(heartbeat * 250)
  }

  var isHeartbeatDue: Bool {
    guard let interval = heartbeatInterval else { return false }
    return .now >= lastServiced + interval
  }
}
