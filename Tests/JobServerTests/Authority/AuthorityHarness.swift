import AMQP
import Foundation
import JobServer
import JobTransport
import Jobs
import Logging
import ServiceLifecycle
import TestSupport

/// A whole server on the tests' broker, under names of its own, and an authority that leads to it.
struct AuthorityHarness: Sendable {
  /// The implementations of the seam.
  enum Path: CaseIterable, Sendable {
    /// The server's own decisions, asked directly.
    case inProcess
    /// A worker's way to them: through the broker.
    case broker
  }

  let authority: any JobAuthority
  let service: JobOperations
  let connection: Connection
  let names: TransportNames

  /// - Parameter audit: how often the server asks about attempts that it has heard nothing of; not within the test when it is
  ///   `nil`.
  static func with(
    _ path: Path, audit: Duration? = nil,
    _ body: @escaping @Sendable (AuthorityHarness) async throws -> Void
  ) async throws {
    let directory = URL.temporaryDirectory.appending(path: "warren-authority-\(UUID())")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let names = try TransportNames(prefix: "t-\(UUID().uuidString.prefix(8).lowercased())")
    let broker = try ConnectionConfiguration(url: try await ThrowawayBroker.shared().url)
    let server = try await JobServer(
      configuration: JobServerConfiguration(
        broker: broker, names: names, store: directory.appending(path: "warren.sqlite").path(),
        port: 0, registry: try registry(), poisonLimit: 2, reconnectionGrace: .milliseconds(500),
        auditInterval: audit ?? .seconds(3600), auditSilence: .zero),
      logger: logger)
    let connection = Connection(
      configuration: broker,
      topology: { JobTopology.server(names, queues: [.compute], broker: $0.version) },
      logger: logger)
    let harness = AuthorityHarness(
      authority: path == .inProcess
        ? server.authority
        : BrokerAuthority(connection: connection, names: names, patience: .seconds(30)),
      service: server.service, connection: connection, names: names)
    let group = ServiceGroup(services: server.services, logger: logger)
    try await withThrowingTaskGroup { tasks in
      tasks.addTask { try await group.run() }
      tasks.addTask { try await connection.run() }
      try await connection.waitUntilReady(timeout: .seconds(30))
      do {
        try await body(harness)
      } catch {
        tasks.cancelAll()
        throw error
      }
      await group.triggerGracefulShutdown()
      _ = try await tasks.next()
      tasks.cancelAll()
    }
  }

  private static func registry() throws -> JobRegistry {
    struct Params: Codable, Sendable {
      var n = 0
    }
    var registry = JobRegistry()
    try registry.register(
      JobType(
        group: try JobGroup("test", queue: .compute), name: "job", params: Params(),
        timeout: .seconds(60), retry: RetryPolicy(maxRetries: 1, delay: .zero)
      ) { _, _ in })
    return registry
  }

  /// A job that waits.
  func job(_ n: Int64 = 0, at time: Timestamp? = nil) async throws -> JobID {
    try await service.schedule(
      JobSubmission(
        type: try JobTypeID("test:job"), params: ["n": .integer(n)], scheduledAt: time)
    ).job.id
  }

  func state(_ id: JobID) async throws -> Job {
    try await service.job(id, tenant: .zero)
  }

  /// The job, once it has ended.
  func end(of id: JobID) async throws -> Job {
    try await service.wait(for: id, tenant: .zero, atMost: .seconds(30))
  }

  /// A worker that the server knows: it has the queues that a worker has, and has announced itself.
  func worker(_ name: String = "w") async throws -> WorkerID {
    let worker = WorkerID(rawValue: "\(name)-\(names.prefix)")
    try await connection.declare(
      JobTopology.worker(names, id: worker, queues: [], broker: connection.brokerVersion))
    try await BrokerAuthority(connection: connection, names: names).send(
      .announcement(
        WorkerAnnouncement(
          worker: worker, host: "h", processID: 1, startedAt: .now, queues: [], groups: [],
          types: [])))
    let deadline = ContinuousClock.now + .seconds(30)
    while try await claim(1, by: worker, of: "compute", types: ["test:none"]).rest == .unregistered
    {
      guard ContinuousClock.now < deadline else { throw AuthorityError("never registered") }
    }
    return worker
  }

  /// The worker's connection ends.
  func end(_ worker: WorkerID) async throws {
    try await connection.delete(queue: names.worker(worker))
    try await connection.delete(queue: names.lease(worker))
  }

  func claim(
    _ count: Int, by worker: WorkerID, _ claim: UUID = UUID(), isRepeated: Bool = false,
    of queue: String = "compute", types: [String] = ["test:job"]
  ) async throws -> ClaimAnswer {
    try await authority.claim([
      ClaimRequest(
        worker: worker, epoch: 1, claim: claim, isRepeated: isRepeated,
        queue: try JobQueueName(queue), count: count, types: try types.map { try JobTypeID($0) })
    ])[0]
  }

  /// Asks until there is something to run.
  func nextJob(for worker: WorkerID) async throws -> JobAssignment {
    let deadline = ContinuousClock.now + .seconds(30)
    while true {
      if let job = try await claim(1, by: worker).jobs.first { return job }
      guard ContinuousClock.now < deadline else { throw AuthorityError("nothing to run") }
    }
  }

  func report(_ id: JobID, _ attempt: Int, by worker: WorkerID, _ contents: JobReport.Content...)
    async throws
  {
    try await authority.report(
      contents.map { JobReport(job: id, attempt: attempt, worker: worker, content: $0) })
  }
}
