import AMQP
import JobStore
import JobTransport
import Jobs
public import Logging
public import ServiceLifecycle

/// The server: intake, dispatch, claims, reports, recovery and the HTTP API, over one status store.
public struct JobServer: Sendable {
  /// What one can ask of it from within the process.
  public let service: JobService
  /// Its decisions on claims and reports, for workers of the same process.
  public let authority: ServerAuthority
  /// What has to run, in the order of starting; a service group ends them in reverse.
  public let services: [any Service]

  /// Opens the store and composes the server; nothing talks to the broker before the services run.
  ///
  /// - Parameter onBound: told the port of the API once it takes requests.
  /// - Throws: `StoreError` when the store cannot be used.
  public init(
    configuration: JobServerConfiguration, logger: Logger,
    onBound: @escaping @Sendable (Int) async -> Void = { _ in }
  ) async throws {
    let hub = ChangeHub()
    let store = try StatusStore(path: configuration.store, logger: logger) { hub.note($0) }
    let catalog = try await Catalog(store: store, registry: configuration.registry)
    let directory = WorkerDirectory()
    let names = configuration.names
    let topology = JobTopology.server(names, queues: catalog.queues.map(\.name))

    let publishing = Self.connection("server publishing", configuration, topology, logger)
    let consuming = Self.connection("server consuming", configuration, topology, logger)
    let control = WorkerControl(
      connection: publishing, names: names, patience: configuration.patience,
      presence: Presence(grace: configuration.reconnectionGrace))
    let inbox = InboxMarks(
      connection: publishing, names: names, patience: configuration.patience)
    let deadLetters = DeadLetterOffice(connection: publishing, names: names, logger: logger)
    let callbacks = CallbackDesk(
      directory: directory, control: control, limit: configuration.callbackLimit, logger: logger)
    let initializer = Initializer(store: store, callbacks: callbacks, logger: logger)
    let holders = HolderCheck(
      store: store, control: control, inbox: inbox, poisonLimit: configuration.poisonLimit,
      logger: logger)
    let leases = LeaseWatch(
      store: store, directory: directory, control: control, holders: holders,
      connection: consuming, names: names, logger: logger)
    let intake = Intake(catalog: catalog, store: store)
    authority = ServerAuthority(
      store: store, control: control, inbox: inbox, poisonLimit: configuration.poisonLimit,
      logger: logger)
    service = JobService(
      intake: intake, store: store, hub: hub, catalog: catalog, directory: directory,
      control: control, holders: holders, callbacks: callbacks, initializer: initializer,
      resuming: ResumeGuard(),
      logger: logger)
    services = [
      ConnectionService(publishing),
      ConnectionService(consuming),
      ReleaseTeller(releases: hub.releases, control: control),
      EventPublisher(queue: hub.events, connection: publishing, names: names, logger: logger),
      ReportDesk(
        authority: authority,
        registrar: WorkerRegistrar(
          authority: authority, directory: directory, catalog: catalog, initializer: initializer,
          leases: leases,
          connection: publishing,
          names: names,
          logger: logger),
        inbox: inbox, connection: consuming, deadLetters: deadLetters, names: names,
        logger: logger),
      ClaimDesk(
        authority: authority, consuming: consuming, publishing: publishing, names: names,
        logger: logger),
      SubmitDesk(
        intake: intake, initializer: initializer, cancellations: CancelIntake(service: service),
        connection: consuming, deadLetters: deadLetters,
        names: names, maxBodyBytes: configuration.maxBodyBytes, logger: logger),
      initializer,
      ReplyDesk(store: store, connection: publishing, endings: hub.endings, logger: logger),
      Recovery(
        store: store, holders: holders, control: control, initializer: initializer,
        events: publishing.events(), work: hub.work, logger: logger),
      leases,
      HeldJobAudit(
        store: store, control: control, holders: holders,
        interval: configuration.auditInterval, silence: configuration.auditSilence, logger: logger),
      TicketAudit(
        store: store, directory: directory, control: control, connection: publishing,
        names: names, work: hub.work, logger: logger),
      Dispatcher(
        store: store, connection: publishing, names: names, work: hub.work, logger: logger),
      HTTPServer(
        api: JobAPI(
          service: service, maxBodyBytes: configuration.maxBodyBytes,
          readiness: [
            .store(store), .connection(publishing, role: "publishing"),
            .connection(consuming, role: "consuming"),
          ]),
        host: configuration.host, port: configuration.port, logger: logger, onBound: onBound),
    ]
  }

  private static func connection(
    _ role: String, _ configuration: JobServerConfiguration, _ topology: Topology, _ logger: Logger
  ) -> Connection {
    var broker = configuration.broker
    broker.connectionName = "warren \(role)"
    broker.reconnect.maximumDelay = JobTopology.longestReconnectionPause
    var logger = logger
    logger[metadataKey: "connection"] = "\(role)"
    return Connection(configuration: broker, topology: topology, logger: logger)
  }
}
