import AMQP
import ArgumentParser
import JobConfig
import JobServer
import JobTransport
import JobWebhooks
import JobWorker
import Jobs
import Logging
import ServiceLifecycle
import UnixSignals

struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Runs the server: accepts jobs, hands them out, and answers what became of them.",
    discussion: "SIGTERM and SIGINT end it in order; what was accepted is durable.")

  @OptionGroup var config: ConfigOptions

  @Flag(help: "Also run a worker in this process, for the configuration's own job types.")
  var withWorker = false

  func run() async throws {
    let configuration = try config.load()
    let logger = ProcessGroup.logger(configuration)
    let runtime = CommandRuntime()
    // Better not to start than to fail every job.
    if withWorker, !configuration.types.isEmpty { try runtime.prepare() }
    let registry = try configuration.registry(runtime)
    let server = try await JobServer(
      configuration: try configuration.serverConfiguration(registry), logger: logger
    ) { port in
      logger.info(
        "the API is there", metadata: ["url": "http://\(configuration.http.host):\(port)"])
    }
    var services = server.services
    if withWorker {
      services +=
        JobWorker(
          configuration: try configuration.workerConfiguration(registry, queues: []),
          authority: server.authority, logger: logger
        ).services
    }
    if !configuration.webhooks.isEmpty {
      let sender = WebhookSender(endpoints: configuration.webhooks, logger: logger)
      // It goes after the worker that uses it: services end in reverse.
      services.append(sender)
      services +=
        JobWorker(
          configuration: try configuration.deliveryConfiguration(sender),
          authority: server.authority, logger: logger
        ).services
    }
    try await ProcessGroup.run(services, logger: logger)
  }
}

struct WorkerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker",
    abstract: "Runs a worker: takes the configuration's job types from the broker and runs them.",
    discussion: """
      At SIGTERM or SIGINT it takes no more jobs and lets those that run end, up to worker.drain_timeout; then, or at a \
      second signal, it gives them back.
      """)

  @OptionGroup var config: ConfigOptions

  @Option(
    name: .customLong("queue"),
    help: ArgumentHelp(
      "A queue to take jobs from; may be given several times. All that the job types use without it.",
      valueName: "name"))
  var queues: [String] = []

  @Option(help: "How many jobs of each queue to run at once; as configured without it.")
  var capacity: Int?

  @Option(
    help: ArgumentHelp(
      "A file that is touched every 5 seconds while the worker is healthy: connected to the broker, and not stuck. "
        + "`warren health --file` looks at it.",
      valueName: "path"))
  var healthFile: String?

  func validate() throws {
    if let capacity, !JobQueue.capacities.contains(capacity) {
      throw ValidationError(
        "--capacity must be from \(JobQueue.capacities.lowerBound) to"
          + " \(JobQueue.capacities.upperBound), not \(capacity)")
    }
  }

  func run() async throws {
    let configuration = try config.load()
    let chosen = try self.chosen(of: configuration)
    let logger = ProcessGroup.logger(configuration)
    let runtime = CommandRuntime()
    // Better not to start than to fail every job.
    if !configuration.types.isEmpty { try runtime.prepare() }
    var settings = try configuration.workerConfiguration(
      try configuration.registry(runtime), queues: chosen)
    settings.healthFile = try healthFile.map(Self.healthFile(at:))
    let worker = JobWorker(configuration: settings, logger: logger)
    try await ProcessGroup.run(worker.services, logger: logger)
  }

  /// Tried at once: a file that cannot be touched would have the supervisor end a worker that is well.
  private static func healthFile(at path: String) throws -> HealthFile {
    let file = HealthFile(path: path)
    do {
      try file.touch()
    } catch {
      throw ValidationError("--health-file: \(path) cannot be written: \(error)")
    }
    return file
  }

  /// The queues to take jobs from, with their capacities.
  private func chosen(of configuration: WarrenConfiguration) throws -> [JobQueue] {
    let used = Set(configuration.types.map(\.group.queue))
    let names =
      queues.isEmpty
      ? configuration.queues.map(\.name).filter(used.contains)
      : try queues.map { text in
        guard let queue = configuration.queues.first(where: { $0.name.rawValue == text }) else {
          throw ValidationError(
            "there is no queue '\(text)'; the configuration has "
              + configuration.queues.map(\.name.rawValue).joined(separator: ", "))
        }
        return queue.name
      }
    return configuration.queues.filter { names.contains($0.name) }.map { queue in
      JobQueue(name: queue.name, capacity: capacity ?? queue.capacity)
    }
  }
}

/// What `serve` and `worker` have in common: a log on standard error, and services that run until a signal.
enum ProcessGroup {
  static func logger(_ configuration: WarrenConfiguration) -> Logger {
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    var logger = Logger(label: "warren")
    logger.logLevel = configuration.logLevel
    for warning in configuration.warnings { logger.warning("\(warning)") }
    return logger
  }

  /// Runs services until one of them fails, or until SIGTERM or SIGINT ends them in order.
  static func run(_ services: [any Service], logger: Logger) async throws {
    try await ServiceGroup(
      services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger
    ).run()
  }
}

extension WarrenConfiguration {
  /// The queues, groups and command types of the configuration.
  ///
  /// - Parameter runtime: what the programs of this process share.
  func registry(_ runtime: CommandRuntime) throws -> JobRegistry {
    var registry = JobRegistry()
    for queue in queues { registry.register(queue) }
    for group in groups { try registry.register(group) }
    for type in types { try registry.register(type.jobType().registered(in: runtime)) }
    return registry
  }

  func serverConfiguration(_ registry: JobRegistry) throws -> JobServerConfiguration {
    var configuration = JobServerConfiguration(
      broker: try ConnectionConfiguration(url: broker.url),
      names: try TransportNames(prefix: prefix),
      store: store, host: http.host, port: http.port, maxBodyBytes: http.maxBodyBytes,
      maxStreams: http.maxStreams,
      registry: registry, poisonLimit: server.poisonLimit, retention: retention)
    configuration.access = access
    configuration.limits = TenantLimits(
      rate: http.rate, burst: http.burst, concurrency: http.concurrency)
    configuration.quotas = quotas
    configuration.origins = http.origins
    configuration.maxStreamsPerTenant = http.maxStreamsPerTenant
    configuration.requiresTokens = http.auth == .tokens
    configuration.jwt = http.jwt.map(JWTSettings.init)
    configuration.auditRetention = http.auditRetention
    configuration.webhooks = webhooks
    // The server's own worker is as much to be trusted as the server, whose user it is.
    if !webhooks.isEmpty, configuration.access.users != nil {
      let user = configuration.broker.username
      configuration.access.users?[user, default: BrokerAccess.Rights(tenants: .only([]))].isWorker =
        true
    }
    return configuration
  }

  /// The worker within the server that sends to webhook endpoints: a queue for each, so that none holds up another.
  func deliveryConfiguration(_ sender: WebhookSender) throws -> JobWorkerConfiguration {
    let queues =
      [JobQueue(name: .warren, capacity: 1)]
      + webhooks.map { JobQueue(name: $0.queue, capacity: $0.concurrency) }
    var registry = JobRegistry()
    for queue in queues { registry.register(queue) }
    try registry.register(sender.type)
    var connection = try ConnectionConfiguration(url: broker.url)
    if identifies || access.users != nil { connection.userID = connection.username }
    return JobWorkerConfiguration(
      broker: connection, names: try TransportNames(prefix: prefix), queues: queues,
      registry: registry, drainLimit: worker.drainTimeout)
  }

  /// - Parameter queues: the queues to take jobs from; all that the groups use when it is empty.
  func workerConfiguration(
    _ registry: JobRegistry, queues: [JobQueue]
  ) throws -> JobWorkerConfiguration {
    var connection = try ConnectionConfiguration(url: broker.url)
    if identifies { connection.userID = connection.username }
    return JobWorkerConfiguration(
      broker: connection,
      names: try TransportNames(prefix: prefix),
      queues: queues.isEmpty ? nil : queues, registry: registry, drainLimit: worker.drainTimeout,
      stuckLimit: worker.stuckLimit, detachAfter: worker.detachAfter)
  }
}

extension JWTSettings {
  fileprivate init(_ section: JWTSection) {
    self.init(issuer: section.issuer, audience: section.audience, jwks: section.jwks)
    leeway = section.leeway
    tenantClaim = section.tenantClaim
    userClaim = section.userClaim
    roleClaim = section.roleClaim
    typesClaim = section.typesClaim
    queuesClaim = section.queuesClaim
  }
}

extension CommandTypeConfiguration {
  fileprivate func jobType() throws -> CommandJobType {
    var type = try CommandJobType(
      group: group, name: description.id.name, description: description.description,
      params: description.params, schema: description.schema, command: command,
      timeout: description.timeout,
      stallTimeout: description.stallTimeout, retry: description.retry,
      priority: description.priority,
      suspendable: description.suspendable)
    type.environment = environment
    type.workingDirectory = workingDirectory
    type.grace = grace
    type.limits = CommandLimits(output: maxOutputBytes)
    return type
  }
}
