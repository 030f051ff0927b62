import AMQP
public import JobTransport
public import Jobs
public import Logging
import ServiceLifecycle
import UnixSignals

extension JobWorker where Authority == BrokerAuthority {
  /// Runs job types until SIGTERM or SIGINT: all that a consumer service needs.
  ///
  /// At the first signal the worker drains (30 seconds at most), at a second it gives back what it has.
  ///
  /// ```swift
  /// try await JobWorker.run(broker: "amqp://127.0.0.1/", types: [RegisteredJobType(resize)])
  /// ```
  ///
  /// - Parameters:
  ///   - broker: an `amqp://` or `amqps://` URL.
  ///   - prefix: what the names of Warren's exchanges and queues start with.
  ///   - queues: declared besides the built-in ones, or with another capacity; those that the types' groups name are read.
  ///   - types: the job types.
  ///   - configure: changes what else a worker can be told: how long it drains, when it detaches. It is called at once, by
  ///     the caller's own actor: it may use whatever `main()` has at hand.
  /// - Throws: `AMQPError` for a URL that is none, ``NameError`` for a prefix that is none, ``RegistryError`` for types that
  ///   do not go together, or the error that ended the worker.
  public nonisolated(nonsending) static func run(
    broker: String, prefix: String = "jobs", queues: [JobQueue] = [], types: [RegisteredJobType],
    logger: Logger = Logger(label: "warren.worker"),
    configure: (inout JobWorkerConfiguration) -> Void = { _ in }
  ) async throws {
    var registry = JobRegistry()
    for queue in queues { registry.register(queue) }
    for type in types { try registry.register(type) }
    var configuration = JobWorkerConfiguration(
      broker: try ConnectionConfiguration(url: broker), names: try TransportNames(prefix: prefix),
      registry: registry)
    configure(&configuration)
    let worker = JobWorker(configuration: configuration, logger: logger)
    let group = ServiceGroup(
      services: worker.services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
    try await group.run()
  }
}
