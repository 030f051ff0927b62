import AMQP
public import Foundation
import JobTransport
import JobWorker
@_exported public import Jobs
public import Logging
public import ServiceLifecycle
import Synchronization
import UnixSignals

/// Runs jobs and schedules them: a service for anybody's `ServiceGroup`.
///
/// ```swift
/// let jobs = try JobService(broker: "amqp://127.0.0.1/", middleware: [.logging])
/// jobs.on(CountWords.self) { params, job in … }
/// try await ServiceGroup(services: [jobs, http], logger: logger).run()
/// ```
///
/// A service that nothing was registered with only schedules: it takes one connection to the broker, and no jobs. Scheduling
/// waits until the service runs and the broker is there, for ``JobServiceConfiguration/patience`` at most.
///
/// When its group shuts down gracefully it takes no more jobs, and lets those that run go on for
/// ``JobServiceConfiguration/drainLimit``; what has not ended by then is told to, and given back, to be run elsewhere. It schedules to the
/// last. Other services that schedule jobs stand after it in their group: a group ends its services in reverse.
public final class JobService: Service, JobRegistering, JobScheduling {
  private enum Phase {
    case registering, running
  }

  private struct State {
    var phase = Phase.registering
    var types: [RegisteredJobType] = []
    var problems: [String] = []
    var consuming: Connection?
  }

  private let configuration: JobServiceConfiguration
  private let names: TransportNames
  private let middleware: [any JobMiddleware]
  private let publishing: Connection
  private let producer: JobProducer
  private let mailbox: BrokerDesk
  private let logger: Logger
  private let state = Mutex(State())

  /// A service that talks to nobody before it runs.
  ///
  /// - Parameters:
  ///   - broker: an `amqp://` or `amqps://` URL; that of the environment's `WARREN_BROKER` when it is `nil`, or a broker on this host.
  ///   - prefix: what the names of Warren's exchanges and queues start with; the server's.
  ///   - capacity: how many jobs of a queue run here at the same time. The built-in queues have 1 (compute), 5 (maintenance) and 10
  ///     (download), others 10, unless it is said here.
  ///   - middleware: around every job that is scheduled or run here, the first outermost.
  ///   - logger: for what the service itself has to say; jobs log to it as well, with their metadata.
  ///   - configure: changes what else can be told.
  /// - Throws: `AMQPError` for a URL that is none, `NameError` for a prefix that is none.
  public init(
    broker: String? = nil, prefix: String = "jobs", capacity: [JobQueueName: Int] = [:],
    middleware: [any JobMiddleware] = [], logger: Logger = Logger(label: "warren"),
    configure: (inout JobServiceConfiguration) -> Void = { _ in }
  ) throws {
    var configuration = JobServiceConfiguration(
      broker: try ConnectionConfiguration(url: broker ?? Self.standardBroker), prefix: prefix)
    configuration.capacity = capacity
    configure(&configuration)
    let names = try TransportNames(prefix: configuration.prefix)
    let id = WorkerID()
    var connection = configuration.broker
    connection.connectionName = "warren service \(id) publishing"
    connection.reconnect.maximumDelay = JobTopology.longestReconnectionPause
    let replies = names.replies(id)
    publishing = Connection(
      configuration: connection,
      topology: { JobTopology.service(names, replies: replies, broker: $0.version) },
      logger: logger)
    producer = JobProducer(
      connection: publishing, names: names, patience: configuration.patience)
    mailbox = BrokerDesk(
      connection: publishing, names: names, replies: replies, producer: producer,
      patience: configuration.patience, logger: logger)
    self.configuration = configuration
    self.names = names
    self.middleware = middleware
    self.logger = logger
    worker = id
  }

  /// As the command line has it.
  private static var standardBroker: String {
    ProcessInfo.processInfo.environment["WARREN_BROKER"] ?? "amqp://guest:guest@127.0.0.1:5672/"
  }

  /// The name that its queues and connections carry.
  public let worker: WorkerID

  // MARK: Jobs that it runs

  /// Takes a job type. Before the service runs: a worker says once what it can run.
  public func register(_ type: () throws -> RegisteredJobType) {
    let result = Result { try type() }
    state.withLock { state in
      precondition(
        state.phase == .registering,
        "a job type was registered with a service that runs already; register all before run()")
      switch result {
      case .success(let type): state.types.append(type)
      case .failure(let error): state.problems.append("\(error)")
      }
    }
  }

  /// Runs until its group shuts down gracefully, or its task is cancelled.
  ///
  /// Once: a service that has ended does not run again.
  ///
  /// - Throws: ``JobServiceError`` for types that are none or do not go together, all of them named; what ended the service otherwise.
  public func run() async throws {
    try await run(obeysSignals: false)
  }

  /// Runs until SIGTERM or SIGINT, for a process that does nothing else. At the first signal it drains, at a second it gives back
  /// what it has.
  public func runUntilSignal() async throws {
    let service = Standalone(service: self)
    try await ServiceGroup(
      services: [service], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger
    ).run()
  }

  private struct Standalone: Service {
    let service: JobService
    func run() async throws { try await service.run(obeysSignals: true) }
  }

  private func run(obeysSignals: Bool) async throws {
    let registry = try registry()
    var services: [any Service] = [ConnectionService(publishing), mailbox]
    var observed = [("publishing", publishing)]
    if !registry.types.isEmpty {
      let worker = JobWorker(
        configuration: configuration.worker(
          worker, names, registry, scheduling: self, middleware: middleware,
          obeysSignals: obeysSignals),
        publishing: publishing, logger: logger)
      state.withLock { $0.consuming = worker.consuming }
      services += worker.services
      observed.append(("consuming", worker.consuming))
    }
    if !middleware.isEmpty {
      services.append(ConnectionObserver(observed, tell: middleware.observe))
    }
    try await ServiceGroup(services: services, logger: logger).run()
  }

  private func registry() throws(JobServiceError) -> JobRegistry {
    let (types, problems) = state.withLock { state in
      defer { state.phase = .running }
      guard state.phase == .registering else {
        return (state.types, ["it runs already, or has run; make another one"])
      }
      return (state.types, state.problems)
    }
    var registry = JobRegistry()
    var all = problems
    for name in Set(types.map(\.group.queue)).union(configuration.capacity.keys) {
      let known = registry.queues[name]?.capacity ?? JobServiceConfiguration.standardCapacity
      registry.register(JobQueue(name: name, capacity: configuration.capacity[name] ?? known))
    }
    for type in types {
      do throws(RegistryError) {
        try registry.register(type.wrapped(in: middleware))
      } catch {
        all.append("\(error)")
      }
    }
    guard all.isEmpty else { throw JobServiceError(problems: all) }
    return registry
  }

  /// Waits until the service has what it needs of the broker: it can schedule, and takes jobs if it has types.
  ///
  /// - Throws: `AMQPError` when that is not so within the time.
  public func waitUntilReady(timeout: Duration = .seconds(30)) async throws {
    let end = ContinuousClock.now + timeout
    try await publishing.waitUntilReady(timeout: timeout)
    guard let consuming = state.withLock({ $0.consuming }) else { return }
    try await consuming.waitUntilReady(timeout: max(.zero, end - .now))
  }

  /// Whether the service has what it needs of the broker at this moment; for an endpoint that says so.
  public var isReady: Bool {
    get async {
      do {
        try await waitUntilReady(timeout: .zero)
        return true
      } catch {
        return false
      }
    }
  }

  // MARK: Jobs that it schedules

  public var desk: any JobDesk { mailbox }

  public var tenant: UUID { configuration.tenant }

  /// As for every `JobScheduling`. A task that is cancelled does not wait for a broker that is away.
  ///
  /// - Throws: ``JobsNotTaken`` that lists the jobs which the broker did not confirm; `CarriedContextError` for a context that the
  ///   server would refuse; what middleware throws.
  public func submit(_ submissions: [JobSubmission]) async throws -> [JobReceipt] {
    var owned = submissions
    for place in owned.indices {
      owned[place].fillOwner(tenant: configuration.tenant, user: configuration.user)
    }
    return try await middleware.schedule(owned) { [producer] submissions in
      var checked = submissions
      for place in checked.indices {
        checked[place].context = try CarriedContext.checked(checked[place].context)
      }
      return try await producer.schedule(checked)
    }
  }

  /// Connects, hands a service to `body` that schedules only, and closes the connection when that returns or throws. For a
  /// script, or a command; a server has the service in its group.
  ///
  /// - Throws: `AMQPError` when the URL is wrong or the broker cannot be reached, and whatever `body` throws.
  public static func connect<Answer: Sendable>(
    broker: String? = nil, prefix: String = "jobs", middleware: [any JobMiddleware] = [],
    logger: Logger = Logger(label: "warren"),
    _ body: @Sendable (JobService) async throws -> Answer
  ) async throws -> Answer {
    let service = try JobService(
      broker: broker, prefix: prefix, middleware: middleware, logger: logger)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await service.run() }
      defer { group.cancelAll() }
      try await service.waitUntilReady(
        timeout: service.configuration.broker.connectTimeout)
      return try await body(service)
    }
  }
}

/// Tells of connections that are there again.
private struct ConnectionObserver: Service {
  private let events: [(name: String, events: AsyncStream<ConnectionEvent>)]
  private let tell: @Sendable (JobServiceEvent) -> Void

  init(
    _ connections: [(String, Connection)], tell: @escaping @Sendable (JobServiceEvent) -> Void
  ) {
    events = connections.map { ($0.0, $0.1.events()) }
    self.tell = tell
  }

  func run() async throws {
    await withTaskGroup(of: Void.self) { group in
      for (name, events) in events {
        group.addTask { [tell] in
          for await event in events.cancelOnGracefulShutdown() {
            guard case .connected(let generation) = event, generation > 1 else { continue }
            tell(.reconnected(connection: name))
          }
        }
      }
    }
    // A service that ends before it is told to ends its group.
    try await gracefulShutdown()
  }
}

/// Why a service does not start.
public struct JobServiceError: Error, Hashable, CustomStringConvertible {
  /// All that is wrong with what was registered.
  public let problems: [String]

  public var description: String {
    "the service does not start: " + problems.joined(separator: "; ")
  }
}
