package import AMQP
import Foundation
package import JobTransport
package import Jobs

/// What a worker needs to know.
package struct JobWorkerConfiguration: Sendable {
  /// The broker.
  package var broker: ConnectionConfiguration
  /// What the exchanges and queues are called.
  package var names: TransportNames
  /// The worker's identity, made anew for each process.
  package var id: WorkerID
  /// The queues to take jobs from, and how many jobs of each may run at once.
  package var queues: [JobQueue]
  /// The job types that this worker can run.
  package var registry: JobRegistry
  /// How long jobs may go on running when the worker is told to end.
  package var drainLimit: Duration
  /// How long a callback may take to end after it was told to, before the worker stops waiting for it: past a time-out, and
  /// when the worker ends.
  package var grace: Duration
  /// How long a callback may go on after that, with its slot, before the worker ends itself (``StuckWorkerError``) for its
  /// supervisor to start it anew: it drains, and the other jobs are given back as at any end. Zero is for ever.
  package var stuckLimit: Duration
  /// Touched while the worker is healthy; none when it is `nil`.
  package var healthFile: HealthFile?
  /// How long the worker waits for one answer of the broker or the server before it tries again.
  package var patience: Duration
  /// How long an init, suspend or resume callback may take: a client waits for it.
  package var callbackLimit: Duration
  /// How long the ticket of a running job is held before it is acknowledged, and the worker's lease alone guards the job:
  /// less than the broker's consumer timeout.
  package var detachAfter: Duration
  /// The shortest time between two reports of one job's progress.
  package var progressInterval: Duration
  /// The largest result of a job, in bytes of JSON; a larger one fails the job.
  package var maxResultBytes: Int
  /// Whether SIGTERM and SIGINT, once the worker drains, make it give everything back at once. Only then are they trapped;
  /// that the first of them makes it drain is up to the service group.
  package var obeysSignals: Bool
  /// Who schedules what callbacks schedule; they cannot when it is `nil`.
  package var scheduling: (any JobScheduling)?
  /// Told of each claim that brings jobs, and of each batch of reports.
  package var observe: (@Sendable (JobServiceEvent) -> Void)?

  /// - Parameter queues: all that the registry's groups use, with its capacities, when it is `nil`.
  package init(
    broker: ConnectionConfiguration, names: TransportNames, id: WorkerID = WorkerID(),
    queues: [JobQueue]? = nil, registry: JobRegistry, drainLimit: Duration = .seconds(30),
    grace: Duration = .seconds(10), stuckLimit: Duration = .seconds(600),
    healthFile: HealthFile? = nil, patience: Duration = .seconds(10),
    callbackLimit: Duration = .seconds(20), detachAfter: Duration = .seconds(600),
    progressInterval: Duration = .milliseconds(100),
    maxResultBytes: Int = JobLimits.result,
    obeysSignals: Bool = true
  ) {
    let used = Set(registry.groups.values.map(\.queue))
    self.broker = broker
    self.names = names
    self.id = id
    self.queues =
      queues
      ?? registry.queues.values.filter { used.contains($0.name) }.sorted { $0.name < $1.name }
    self.registry = registry
    self.drainLimit = drainLimit
    self.grace = grace
    self.stuckLimit = stuckLimit
    self.healthFile = healthFile
    self.patience = patience
    self.callbackLimit = callbackLimit
    self.detachAfter = detachAfter
    self.progressInterval = progressInterval
    self.maxResultBytes = maxResultBytes
    self.obeysSignals = obeysSignals
  }
}

extension JobWorkerConfiguration {
  /// What the worker says of itself: of what it could run, that which its queues bring.
  var announcement: WorkerAnnouncement {
    let names = Set(queues.map(\.name))
    let groups = registry.groups.values.filter { names.contains($0.queue) }
    let types = registry.types.values.filter { names.contains($0.group.queue) }
    return WorkerAnnouncement(
      worker: id, host: ProcessInfo.processInfo.hostName,
      processID: ProcessInfo.processInfo.processIdentifier, startedAt: .now,
      queues: queues.sorted { $0.name < $1.name },
      groups: groups.sorted { $0.name < $1.name },
      types: types.map(\.description).sorted { $0.id < $1.id })
  }

  var execution: ExecutionSettings {
    ExecutionSettings(
      progressInterval: max(.milliseconds(1), progressInterval), grace: max(.zero, grace),
      stuckLimit: stuckLimit > .zero ? stuckLimit : nil,
      limits: OutcomeLimits(result: max(0, maxResultBytes)), scheduling: scheduling)
  }
}
