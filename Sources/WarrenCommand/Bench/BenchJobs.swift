import AMQP
import ArgumentParser
import Foundation
import JobConfig
import JobTransport
import JobWorker
import Jobs

/// The kernel's monotonic clock, which all processes of one machine share: what one has noted, another can subtract.
struct MonotonicTime: Sendable, Hashable, Comparable {
  let nanoseconds: Int64

  static var now: MonotonicTime {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return MonotonicTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }

  static func < (lhs: MonotonicTime, rhs: MonotonicTime) -> Bool {
    lhs.nanoseconds < rhs.nanoseconds
  }

  func seconds(since earlier: MonotonicTime) -> Double {
    Double(nanoseconds - earlier.nanoseconds) / 1e9
  }
}

/// The jobs that a benchmark schedules, and its worker runs.
enum BenchJobs {
  /// A queue of their own, so that a configured prefix can be measured without running anybody's jobs.
  static let queueName = "bench"

  /// What a job of the type `bench:stamp` answers.
  struct Stamp: Codable, Sendable {
    /// When its callback began, by ``MonotonicTime``.
    var begun: Int64
  }

  /// Does nothing.
  static func noop() throws -> JobTypeID { try JobTypeID("bench:noop") }

  /// Says when it began.
  static func stamp() throws -> JobTypeID { try JobTypeID("bench:stamp") }

  static func queue(capacity: Int) throws -> JobQueue {
    JobQueue(name: try JobQueueName(queueName), capacity: capacity)
  }

  /// What the worker of a benchmark knows.
  static func registry(capacity: Int) throws -> JobRegistry {
    let queue = try queue(capacity: capacity)
    let group = try JobGroup("bench", queue: queue.name, description: "Benchmarks")
    var registry = JobRegistry()
    registry.register(queue)
    try registry.register(
      JobType(group: group, name: "noop", description: "Does nothing", params: NoParams()) { _, _ in
      })
    try registry.register(
      JobType(
        group: group, name: "stamp", description: "Says when it began", params: NoParams()
      ) { _, _ in Stamp(begun: MonotonicTime.now.nanoseconds) })
    return registry
  }
}

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
