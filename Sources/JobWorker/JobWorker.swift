package import AMQP
package import JobTransport
package import Jobs
package import Logging
package import ServiceLifecycle

/// A worker: takes jobs from queues of the broker, and runs them.
///
/// It asks an authority what it may run: the server, by way of the broker (``BrokerAuthority``), or directly where both are
/// in one process.
package struct JobWorker<Authority: JobAuthority>: Sendable {
  /// The name that its queues and connections carry.
  package let id: WorkerID
  /// What has to run, in the order of starting; a service group ends them in reverse.
  package let services: [any Service]
  /// The connection that jobs come through.
  package let consuming: Connection

  /// Composes a worker that asks `authority`; nothing talks to the broker before the services run.
  package init(configuration: JobWorkerConfiguration, authority: Authority, logger: Logger) {
    self.init(configuration, logger) { _ in authority }
  }

  /// - Parameter shared: a connection for publishing that somebody else keeps running; its own when it is `nil`.
  private init(
    _ configuration: JobWorkerConfiguration, _ logger: Logger, publishing shared: Connection? = nil,
    authority: (BrokerAuthority) -> Authority
  ) {
    id = configuration.id
    let names = configuration.names
    var logger = logger
    logger[metadataKey: "worker"] = "\(id)"
    // The exclusive queue is declared on the connection that jobs come through, so that both end together.
    let consuming = Self.connection("consuming", configuration, logger) { broker in
      JobTopology.worker(
        names, id: configuration.id, queues: configuration.queues.map(\.name),
        broker: broker.version)
    }
    let publishing =
      shared
      ?? Self.connection("publishing", configuration, logger) { broker in
        JobTopology.workerPublishing(names, broker: broker.version)
      }
    self.consuming = consuming
    let mail = BrokerAuthority(
      connection: publishing, names: names, patience: configuration.patience)
    let service = Self.service(
      configuration,
      authority: BatchingAuthority(authority(mail)) { [observe = configuration.observe] in
        observe?(.reported(reports: $0))
      }, mail: mail,
      consuming: consuming, publishing: publishing, logger: logger)
    services =
      (shared == nil ? [ConnectionService(publishing)] : [])
      + [ConnectionService(consuming), service]
  }

  private static func service(
    _ configuration: JobWorkerConfiguration, authority: BatchingAuthority<Authority>,
    mail: BrokerAuthority, consuming: Connection, publishing: Connection, logger: Logger
  ) -> WorkerService<BatchingAuthority<Authority>> {
    let lifecycle = WorkerLifecycle()
    let attempts = AttemptsAtHand()
    let registration = Registration()
    let deadlines = DeadlineQueue()
    let consumers = consumers(
      configuration, deadlines: deadlines, consuming: consuming, lifecycle: lifecycle,
      logger: logger)
    let wakeUps = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let condition = WorkerCondition { [wakeUp = wakeUps.continuation] in wakeUp.yield() }
    let announcer = Announcer(
      configuration.announcement, registration: registration, attempts: attempts,
      consumers: consumers, condition: condition, wakeUps: wakeUps, mail: mail,
      lifecycle: lifecycle, logger: logger)
    let outages = OutageHandler(
      consumers: consumers, condition: condition, lifecycle: lifecycle, logger: logger)
    let executor = Executor(
      authority: authority, worker: configuration.id, settings: configuration.execution,
      sender: ReportSender(
        authority: authority, keep: { attempts.keep($0) }, lifecycle: lifecycle, logger: logger),
      deadlines: deadlines, condition: condition, onTrouble: outages.begin, logger: logger)
    return WorkerService(
      consumers: consumers,
      claimer: JobClaimer(
        worker: configuration.id, registry: configuration.registry, registration: registration,
        attempts: attempts, authority: authority, executor: executor, lifecycle: lifecycle,
        announce: announcer.wake, observe: configuration.observe, logger: logger),
      registration: registration, attempts: attempts,
      control: ControlConsumer(
        worker: configuration.id, consuming: consuming, publishing: publishing,
        names: configuration.names, attempts: attempts, consumers: consumers,
        announcer: announcer,
        callbacks: CallbackRunner(
          worker: configuration.id, registry: configuration.registry,
          limit: configuration.callbackLimit, report: authority.report,
          limits: configuration.execution.limits, deadlines: deadlines, logger: logger),
        report: authority.report,
        lifecycle: lifecycle, patience: configuration.patience,
        logger: logger),
      announcer: announcer,
      lease: LeaseHolder(
        worker: configuration.id, consuming: consuming, publishing: publishing,
        names: configuration.names, events: consuming.events(), lifecycle: lifecycle,
        onHeld: announcer.wake, logger: logger),
      outages: outages,
      health: HealthReporter(
        file: configuration.healthFile, condition: condition,
        events: [(.consuming, consuming.events()), (.publishing, publishing.events())],
        lifecycle: lifecycle, logger: logger),
      lifecycle: lifecycle,
      drainLimit: configuration.drainLimit, grace: configuration.grace,
      obeysSignals: configuration.obeysSignals, logger: logger)
  }

  private static func consumers(
    _ configuration: JobWorkerConfiguration, deadlines: DeadlineQueue, consuming: Connection,
    lifecycle: WorkerLifecycle, logger: Logger
  ) -> QueueConsumers {
    let names = configuration.names
    let handPublished = HandPublishedMessages(names: names, logger: logger)
    return QueueConsumers(configuration.queues) { queue in
      QueueConsumer(
        queue.name,
        LaneState.Settings(capacity: queue.capacity, detachAfter: configuration.detachAfter),
        deadlines: deadlines, lifecycle: lifecycle
      ) { prefetch in
        try await consuming.subscribe(
          Subscription(queue: names.queue(queue.name), prefetch: prefetch), until: lifecycle,
          logger: logger)
      } others: { deliveries, consumer in
        await handPublished.handle(deliveries, from: queue.name, of: consumer)
      }
    }
  }

  private static func connection(
    _ role: String, _ configuration: JobWorkerConfiguration, _ logger: Logger,
    topology: @escaping @Sendable (BrokerInfo) -> Topology
  ) -> Connection {
    var broker = configuration.broker
    broker.connectionName = "warren worker \(configuration.id) \(role)"
    broker.reconnect.maximumDelay = JobTopology.longestReconnectionPause
    return Connection(configuration: broker, topology: topology, logger: logger)
  }
}

extension JobWorker {
  /// Composes a worker that reaches the server through the broker.
  package init(
    configuration: JobWorkerConfiguration, logger: Logger
  ) where Authority == BrokerAuthority {
    self.init(configuration, logger) { $0 }
  }

  /// Composes a worker that publishes through a connection which is not its own, and which ends after it.
  package init(
    configuration: JobWorkerConfiguration, publishing: Connection, logger: Logger
  ) where Authority == BrokerAuthority {
    self.init(configuration, logger, publishing: publishing) { $0 }
  }
}
