package import AMQP
import JobStore
package import JobTransport
package import Jobs
package import Logging
package import ServiceLifecycle

/// The server: intake, dispatch, claims, reports, recovery and the HTTP API, over one status store.
package struct JobServer: Sendable {
  /// What one can ask of it from within the process.
  package let service: JobOperations
  /// Its decisions on claims and reports, for workers of the same process.
  package let authority: ServerAuthority
  /// Reads again what was read from files at the start and may have changed there: the keys for JWTs.
  package let reload: @Sendable () async -> Void
  /// What has to run, in the order of starting; a service group ends them in reverse.
  package private(set) var services: [any Service]

  /// Opens the store and composes the server; nothing talks to the broker before the services run.
  ///
  /// - Parameter onBound: told the port of the API once it takes requests.
  /// - Throws: `StoreFileError` when the store cannot be used; ``HTTPServerError`` when anybody on the network could use the API;
  ///   ``JWTKeysError`` when the keys for JWTs cannot be read.
  package init(
    configuration: JobServerConfiguration, logger: Logger,
    onBound: @escaping @Sendable (Int) async -> Void = { _ in }
  ) async throws {
    try configuration.checkAccess()
    let plan = DispatchPlan()
    let parked = ParkedWorkers()
    let claims = ClaimCounts()
    let hub = ChangeHub(plan: plan, parked: parked)
    let store = try SQLiteStore(
      path: configuration.store, quotas: configuration.quotas, logger: logger
    ) { hub.note($0) }
    let catalog = try await Catalog(store: store, registry: configuration.registry)
    try await catalog.add(webhooks: configuration.webhooks)
    let directory = WorkerDirectory()
    let names = configuration.names
    let access = configuration.access
    let answers = names.answers(WorkerID())

    let publishing = Self.connection("server publishing", configuration, logger) { broker in
      JobTopology.server(
        names, queues: catalog.queues.map(\.name), answers: answers, broker: broker.version)
    }
    let consuming = Self.connection("server consuming", configuration, logger) { broker in
      JobTopology.server(names, queues: catalog.queues.map(\.name), broker: broker.version)
    }
    let clock = SystemClock()
    let log = ServerLog(logger, clock: clock)
    let tokens = TokenRegistry(store: store, clock: clock, log: log)
    let audit = AuditLog(
      store: store, retention: configuration.auditRetention, clock: clock, log: log)
    var jwt: JWTAuthority?
    if let settings = configuration.jwt {
      jwt = try await JWTAuthority(settings, clock: clock, log: log)
    }
    reload = { [jwt] in await jwt?.reload() }
    let commands = PeerTasks<WorkerID>(limit: 10_000)
    let declarations = PeerTasks<JobQueueName>(limit: 10)
    let control = WorkerControl(
      connection: publishing, names: names, answers: answers, patience: configuration.patience,
      presence: Presence(grace: configuration.reconnectionGrace, clock: clock))
    let inbox = InboxMarks(
      connection: publishing, names: names, patience: configuration.patience, clock: clock)
    let deadLetters = DeadLetterPublisher(
      connection: publishing, names: names, logger: logger,
      user: access.users == nil ? nil : configuration.broker.username)
    let redriven = RedrivenMessages(
      store: store, access: access, ownUser: configuration.broker.username)
    let callbacks = CallbackCaller(
      directory: directory, control: control, limit: configuration.callbackLimit, logger: logger)
    let initializer = Initializer(
      store: store, callbacks: callbacks, logger: logger, clock: clock)
    let kept = KeptAttempts()
    let workers = WorkerCheck(
      store: store, control: control, inbox: inbox, kept: kept, directory: directory,
      parked: parked, poisonLimit: configuration.poisonLimit, clock: clock, log: log)
    let leases = LeaseWatch(
      directory: directory, workers: workers, broker: consuming, names: names, clock: clock,
      log: log)
    let reconcile = Signal()
    let intake = Intake(
      catalog: catalog, store: store, names: names, clock: clock,
      rates: SubmissionRates(configuration.quotas), webhooks: configuration.webhooks)
    authority = ServerAuthority(
      store: store, parked: parked, watches: hub.watches, claims: claims, control: control,
      commands: commands, answerBytes: WireCoding.mostOfAnswer, clock: clock, log: log)
    let retention = Retention(
      store: store, policy: configuration.retention, clock: clock, log: log)
    service = JobOperations(
      intake: intake, store: store, hub: hub, catalog: catalog, directory: directory,
      control: control, workerCheck: workers, callbacks: callbacks, initializer: initializer,
      resuming: ResumeGuard(), retention: retention, commands: commands, log: log, clock: clock,
      logger: logger)
    let registrar = WorkerRegistrar(
      authority: authority, directory: directory, catalog: catalog, initializer: initializer,
      leases: leases, workers: workers, parked: parked, store: store, connection: publishing,
      names: names, declarations: declarations, log: log)
    services = [
      ConnectionService(publishing),
      ConnectionService(consuming),
      QueueCheck(
        connection: publishing, names: names, virtualHost: configuration.broker.virtualHost,
        logger: logger, queues: { catalog.queues.map(\.name) }),
      LogService(log: log),
      commands,
      declarations,
      workers,
      WorkerAnswers(connection: publishing, queue: answers, clock: clock, log: log),
      WorkerNotices(
        parked: parked, releases: hub.releases, store: store, control: control,
        commands: commands, log: log),
      EventPublisher(
        queue: hub.events, broker: publishing, names: names, clock: clock, log: log),
      ReportConsumer(
        authority: authority, registrar: registrar, inbox: inbox, kept: kept, broker: consuming,
        deadLetters: deadLetters, names: names, access: access, redriven: redriven, clock: clock,
        log: log),
      UnknownReports(
        broker: publishing, names: names, kept: kept, clock: clock, log: log),
      ClaimConsumer(
        authority: authority, consuming: consuming, publishing: publishing, names: names,
        access: access, log: log),
      LookupConsumer(
        store: store, watches: hub.watches, consuming: consuming, publishing: publishing,
        names: names, access: access, clock: clock, log: log),
      EventTail(feed: hub.feed, store: store, clock: clock, log: log),
      WatchPublisher(
        watches: hub.watches, store: store, broker: publishing, clock: clock, log: log),
      SubmitConsumer(
        intake: intake, service: service, initializer: initializer, broker: consuming,
        deadLetters: deadLetters, names: names, access: access, redriven: redriven,
        maxBodyBytes: configuration.maxBodyBytes,
        clock: clock, log: log),
      DeadLetterConsumer(
        store: store,
        reader: DeadLetterReader(
          catalog: catalog, names: names, access: access, redriven: redriven),
        broker: consuming, names: names, clock: clock, log: log),
      initializer,
      ReplyPublisher(
        store: store, broker: publishing, endings: hub.endings, clock: clock, log: log),
      Recovery(
        store: store, workers: workers, leases: leases, control: control,
        initializer: initializer, events: publishing.events(), plan: plan, reconcile: reconcile,
        clock: clock, log: log),
      leases,
      HeldJobAudit(
        store: store, control: control, workers: workers, inbox: inbox, kept: kept,
        poisonLimit: configuration.poisonLimit, interval: configuration.auditInterval,
        silence: configuration.auditSilence, clock: clock, log: log),
      TicketReconciliation(
        store: store, plan: plan, claims: claims, parked: parked, broker: publishing,
        names: names, again: reconcile, clock: clock, log: log,
        renew: { await control.renew($0) }),
      Dispatcher(
        store: store, plan: plan, broker: publishing, names: names, clock: clock, log: log,
        isBroken: { await Self.isBroken($0, configuration.broker) },
        renew: { await control.renew($0) }),
      BulkRunner(service: service),
      retention,
      tokens,
      audit,
      HTTPServer(
        api: JobAPI(
          service: service,
          deadLetters: DeadLetterOperations(
            store: store,
            check: DeadLetterCheck(
              intake: intake, store: store, access: access,
              maxBodyBytes: configuration.maxBodyBytes),
            broker: publishing, names: names, access: access,
            ownUser: configuration.broker.username, clock: clock, log: log),
          maxBodyBytes: configuration.maxBodyBytes,
          readiness: [
            .store(store), .connection(publishing, role: "publishing"),
            .connection(consuming, role: "consuming"),
          ], authentication: configuration.requiresTokens ? .tokens(tokens, jwt: jwt) : .none,
          tokens: tokens, audit: audit,
          streams: StreamSlots(
            most: configuration.maxStreams, share: configuration.maxStreamsPerTenant),
          limits: configuration.limits, origins: configuration.origins, clock: clock),
        host: configuration.host, port: configuration.port, logger: logger, onBound: onBound),
    ]
    let webhooks = WebhookScheduler(
      endpoints: configuration.webhooks, store: store, ends: hub.ends, clock: clock, log: log)
    if configuration.webhooks.isEmpty {
      try await webhooks.forget()
    } else {
      services.append(webhooks)
    }
  }

  /// Whether the broker fails over whoever consumes from a queue. It closes the connection then, so this has one of its own; what
  /// is delivered meanwhile goes back.
  private static func isBroken(_ queue: String, _ broker: ConnectionConfiguration) async -> Bool {
    var broker = broker
    broker.connectionName = "warren server checking"
    let connection = Connection(
      configuration: broker, topology: Topology(),
      logger: Logger(label: "quiet") { _ in SwiftLogNoOpLogHandler() })
    return await withTaskGroup { group in
      // It ends when it is told to.
      group.addTask { try? await connection.run() }
      defer { group.cancelAll() }
      do throws(AMQPError) {
        _ = try await connection.consume(Subscription(queue: queue, prefetch: 1))
        return false
      } catch {
        return error.isInternal
      }
    }
  }

  private static func connection(
    _ role: String, _ configuration: JobServerConfiguration, _ logger: Logger,
    topology: @escaping @Sendable (BrokerInfo) -> Topology
  ) -> Connection {
    var broker = configuration.broker
    broker.connectionName = "warren \(role)"
    broker.reconnect.maximumDelay = JobTopology.longestReconnectionPause
    var logger = logger
    logger[metadataKey: "connection"] = "\(role)"
    return Connection(configuration: broker, topology: topology, logger: logger)
  }
}

/// What a server needs to know.
package struct JobServerConfiguration: Sendable {
  /// The broker.
  package var broker: ConnectionConfiguration
  package var names: TransportNames
  /// Who may say what over the broker; all of it where the broker lets them, unless told otherwise.
  package var access = BrokerAccess()
  /// The path of the SQLite file.
  package var store: String
  /// Where the API listens; loopback unless told otherwise.
  package var host: String
  /// 0 takes any free port.
  package var port: Int
  /// Whether the API asks for a token; without, it listens to this machine alone.
  package var requiresTokens = false
  /// Whose JWTs are taken beside tokens.
  package var jwt: JWTSettings?
  /// How long the audit log is kept; zero is for ever.
  package var auditRetention = Duration.seconds(90 * 86_400)
  /// The largest request body, in bytes.
  package var maxBodyBytes: Int
  /// What each tenant may ask of the API.
  package var limits = TenantLimits()
  /// What each tenant may have of jobs.
  package var quotas = TenantQuotas()
  /// The origins whose pages may use the API from a browser; `*` is any.
  package var origins: [String] = []
  /// How many streams of events the API writes at once.
  package var maxStreams: Int
  /// How many of them one tenant may have; `nil` is a quarter.
  package var maxStreamsPerTenant: Int?
  /// Queues, groups and types that are known without a worker that announces them.
  package var registry: JobRegistry
  /// How many workers a job may cost their life before it fails.
  package var poisonLimit: Int
  /// Who is told over HTTP of the ends of jobs.
  package var webhooks: [WebhookEndpoint] = []
  /// How long jobs that have ended are kept.
  package var retention: RetentionPolicy
  /// How long the server waits for one answer of the broker or of a worker.
  package var patience: Duration

  /// How long the server waits for a callback that a worker calls for it; longer than the workers' own limit.
  package var callbackLimit: Duration

  /// How long workers may take to come back after the server has connected to the broker: that long, one that is not there
  /// is not taken for gone.
  package var reconnectionGrace: Duration

  /// How often the server asks workers about attempts of which it has heard nothing for ``auditSilence``.
  package var auditInterval: Duration
  /// How long nothing has to have been heard of an attempt before its worker is asked about it.
  package var auditSilence: Duration

  /// How many streams there may be where nobody says.
  package static let standardStreams = 256

  package init(
    broker: ConnectionConfiguration, names: TransportNames, store: String,
    host: String = "127.0.0.1", port: Int = 8080, maxBodyBytes: Int = 1 << 20,
    maxStreams: Int = JobServerConfiguration.standardStreams,
    registry: JobRegistry = JobRegistry(), poisonLimit: Int = 5,
    retention: RetentionPolicy = RetentionPolicy(), patience: Duration = .seconds(5),
    callbackLimit: Duration = .seconds(25), reconnectionGrace: Duration = .seconds(15),
    auditInterval: Duration = .seconds(15), auditSilence: Duration = .seconds(60)
  ) {
    self.broker = broker
    self.names = names
    self.store = store
    self.host = host
    self.port = port
    self.maxBodyBytes = maxBodyBytes
    self.maxStreams = maxStreams
    self.registry = registry
    self.poisonLimit = poisonLimit
    self.retention = retention
    self.patience = patience
    self.callbackLimit = callbackLimit
    self.reconnectionGrace = reconnectionGrace
    self.auditInterval = auditInterval
    self.auditSilence = auditSilence
  }
}

extension JobServerConfiguration {
  /// Throws ``HTTPServerError`` where everybody on the network could do everything.
  func checkAccess() throws(HTTPServerError) {
    guard !requiresTokens, !Loopback.contains(host) else { return }
    throw HTTPServerError(
      "the API would be open to everybody who reaches \(host): set http.auth: tokens"
        + " (WARREN_HTTP_AUTH=tokens), and make the first token by warren token create --store"
        + " \(store); without tokens http.host can be 127.0.0.1, ::1 or localhost alone")
  }
}
