public import AMQP
public import Foundation
import JobTransport
import JobWorker
public import Jobs

/// What a ``JobService`` can be told. What is left alone is as it mostly should be.
public struct JobServiceConfiguration: Sendable {
  /// How many jobs of a queue run at the same time where nobody says it, unless the queue is a built-in one.
  public static let standardCapacity = 10

  /// The broker.
  public var broker: ConnectionConfiguration
  /// What the names of Warren's exchanges and queues start with.
  public var prefix: String
  /// How many jobs of a queue run at the same time.
  public var capacity: [JobQueueName: Int] = [:]
  /// Whose jobs it schedules, where nobody says it.
  public var tenant = UUID.zero
  /// Who schedules them, where nobody says it.
  public var user = UUID.zero
  /// How long jobs may go on running when the service is told to end.
  public var drainLimit = Duration.seconds(30)
  /// How long a job may take to end after it was told to, before the service stops waiting for it.
  public var grace = Duration.seconds(10)
  /// How long a job that ignores that may go on, with its slot, before the service fails, for its supervisor to start the process
  /// anew. Zero is for ever.
  public var stuckLimit = Duration.seconds(600)
  /// How long one answer of the broker or the server is waited for.
  public var patience = Duration.seconds(30)
  /// How long `prepare`, `willSuspend` and `willResume` may take: a client waits for them.
  public var callbackLimit = Duration.seconds(20)
  /// The shortest time between two reports of one job's progress.
  public var progressInterval = Duration.milliseconds(100)
  /// A file that is touched while the service is healthy, for a supervisor; none when it is `nil`. A service that only schedules touches
  /// none.
  public var healthFile: String?

  init(broker: ConnectionConfiguration, prefix: String) {
    self.broker = broker
    self.prefix = prefix
  }

  func worker(
    _ id: WorkerID, _ names: TransportNames, _ registry: JobRegistry,
    scheduling: some JobScheduling, middleware: [any JobMiddleware], obeysSignals: Bool
  ) -> JobWorkerConfiguration {
    var worker = JobWorkerConfiguration(
      broker: broker, names: names, id: id, registry: registry, drainLimit: drainLimit,
      grace: grace, stuckLimit: stuckLimit, healthFile: healthFile.map { HealthFile(path: $0) },
      patience: patience,
      callbackLimit: callbackLimit, progressInterval: progressInterval, obeysSignals: obeysSignals)
    worker.scheduling = scheduling
    if !middleware.isEmpty { worker.observe = middleware.observe }
    return worker
  }
}
