import ArgumentParser
import JobConfig
import JobTransport
import JobWorker
import Jobs

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
