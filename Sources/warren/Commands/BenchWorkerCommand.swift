import AMQP
import ArgumentParser
import JobConfig
import JobTransport
import JobWorker
import Jobs

/// The worker of `warren bench`, in a process of its own. For nobody else.
struct BenchWorkerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench-worker", abstract: "Runs the no-op jobs of `warren bench`.",
    shouldDisplay: false)

  @OptionGroup var config: ConfigOptions

  @Option(help: "How many jobs to run at once.")
  var capacity: Int

  func run() async throws {
    let configuration = try config.load()
    let logger = ProcessGroup.logger(configuration)
    let worker = JobWorker(
      configuration: JobWorkerConfiguration(
        broker: try ConnectionConfiguration(url: configuration.broker.url),
        names: try TransportNames(prefix: configuration.prefix),
        queues: [try BenchJobs.queue(capacity: capacity)],
        registry: try BenchJobs.registry(capacity: capacity),
        drainLimit: configuration.worker.drainTimeout),
      logger: logger)
    try await ProcessGroup.run(worker.services, logger: logger)
  }
}
