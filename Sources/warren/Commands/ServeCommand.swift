import ArgumentParser
import JobConfig
import JobServer
import JobWorker
import Logging
import ServiceLifecycle

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
    try await ProcessGroup.run(services, logger: logger)
  }
}
