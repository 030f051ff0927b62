import AMQP
import JobConfig
import JobServer
import JobTransport
import JobWorker
import Jobs

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
    JobServerConfiguration(
      broker: try ConnectionConfiguration(url: broker.url),
      names: try TransportNames(prefix: prefix),
      store: store, host: http.host, port: http.port, maxBodyBytes: http.maxBodyBytes,
      registry: registry, poisonLimit: server.poisonLimit, retention: retention)
  }

  /// - Parameter queues: the queues to take jobs from; all that the groups use when it is empty.
  func workerConfiguration(
    _ registry: JobRegistry, queues: [JobQueue]
  ) throws -> JobWorkerConfiguration {
    JobWorkerConfiguration(
      broker: try ConnectionConfiguration(url: broker.url),
      names: try TransportNames(prefix: prefix),
      queues: queues.isEmpty ? nil : queues, registry: registry, drainLimit: worker.drainTimeout,
      stuckLimit: worker.stuckLimit, detachAfter: worker.detachAfter)
  }
}

extension CommandTypeConfiguration {
  fileprivate func jobType() throws -> CommandJobType {
    var type = try CommandJobType(
      group: group, name: description.id.name, description: description.description,
      params: description.params, command: command,
      timeout: description.timeout, retry: description.retry, priority: description.priority,
      suspendable: description.suspendable)
    type.environment = environment
    type.workingDirectory = workingDirectory
    type.grace = grace
    type.limits = CommandLimits(output: maxOutputBytes)
    return type
  }
}
