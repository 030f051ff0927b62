import AMQP
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import JobStore
import JobTransport
import Jobs
import Logging
import NIOCore
import Testing

@testable import JobServer

/// The API over a real store in a directory of its own. There is no broker: what is sent there ends as unknown.
struct APIFixture: Sendable {
  let service: JobOperations
  let store: SQLiteStore
  let connection: Connection
  /// What dead letters are published to.
  let broker = MemoryBroker()
  let api: JobAPI

  /// Makes one, and removes what it made.
  static func with<Value>(
    maxBodyBytes: Int = 1 << 20, registry: JobRegistry? = nil,
    quotas: TenantQuotas = TenantQuotas(), webhooks: [WebhookEndpoint] = [],
    _ body: (APIFixture) async throws -> Value
  ) async throws -> Value {
    let directory = URL.temporaryDirectory.appending(path: "warren-http-\(UUID())")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    return try await body(
      try await APIFixture(
        path: directory.appending(path: "warren.sqlite").path(), maxBodyBytes: maxBodyBytes,
        registry: try registry ?? standardRegistry(), quotas: quotas, webhooks: webhooks))
  }

  private init(
    path: String, maxBodyBytes: Int, registry: JobRegistry, quotas: TenantQuotas,
    webhooks: [WebhookEndpoint]
  ) async throws {
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let parked = ParkedWorkers()
    let hub = ChangeHub(plan: DispatchPlan(), parked: parked)
    store = try SQLiteStore(path: path, quotas: quotas, logger: logger) { hub.note($0) }
    // Nothing listens on port 1, and the connection is never run.
    connection = Connection(
      configuration: ConnectionConfiguration(host: "127.0.0.1", port: 1), logger: logger)
    let catalog = try await Catalog(store: store, registry: registry)
    let control = try WorkerControl(
      connection: connection, names: TransportNames(prefix: "test"),
      answers: "test.control.answers.s",
      patience: .milliseconds(20), presence: Presence(grace: .zero))
    let directory = WorkerDirectory()
    let callbacks = CallbackCaller(
      directory: directory, control: control, limit: .milliseconds(50), logger: logger)
    let inbox = InboxMarks(
      connection: connection, names: try TransportNames(prefix: "test"),
      patience: .milliseconds(20))
    let kept = KeptAttempts()
    kept.noteRead()
    let clock = SystemClock()
    let initializer = Initializer(store: store, callbacks: callbacks, logger: logger)
    let log = ServerLog(logger)
    try await catalog.add(webhooks: webhooks)
    service = JobOperations(
      intake: Intake(
        catalog: catalog, store: store, names: try TransportNames(prefix: "test"), clock: clock,
        rates: SubmissionRates(quotas), webhooks: webhooks),
      store: store, hub: hub, catalog: catalog, directory: directory, control: control,
      workerCheck: WorkerCheck(
        store: store, control: control, inbox: inbox, kept: kept, directory: directory,
        parked: parked, poisonLimit: 5, clock: clock, log: log),
      callbacks: callbacks, initializer: initializer, resuming: ResumeGuard(),
      retention: Retention(store: store, policy: RetentionPolicy(), clock: clock, log: log),
      commands: PeerTasks(limit: 100), log: log, clock: clock, logger: logger)
    api = JobAPI(
      service: service,
      deadLetters: DeadLetterOperations(
        store: store,
        check: DeadLetterCheck(
          intake: service.intake, store: store, access: BrokerAccess(), maxBodyBytes: maxBodyBytes),
        broker: broker, names: service.intake.names, access: BrokerAccess(), ownUser: "warren",
        clock: clock, log: log), maxBodyBytes: maxBodyBytes,
      readiness: [.store(store), .connection(connection, role: "publishing")],
      tokens: TokenRegistry(store: store, clock: clock, log: log),
      audit: AuditLog(store: store, retention: .seconds(3600), clock: clock, log: log))
  }

  /// Two types in one group: `files:checksum`, which takes a path and a number of rounds, and `files:count`.
  static func standardRegistry() throws -> JobRegistry {
    struct Checksum: Codable, Sendable {
      var path = ""
      var rounds = 1
    }
    var registry = JobRegistry()
    let files = try JobGroup("files", queue: .compute, description: "Work on files")
    try registry.register(
      JobType(
        group: files, name: "checksum", description: "SHA-256 of a file", params: Checksum(),
        timeout: .seconds(60), retry: RetryPolicy(maxRetries: 2)
      ) { _, _ in })
    try registry.register(JobType(group: files, name: "count", params: NoParams()) { _, _ in })
    return registry
  }

  /// Sends requests straight to the router.
  ///
  /// - Parameter readiness: what `/readyz` looks at, where it is not what the fixture has.
  func test<Value>(
    readiness: [ReadinessCheck]? = nil, limits: TenantLimits = TenantLimits(),
    clock: any ServerClock = SystemClock(), origins: [String] = [],
    authentication: APIAuthentication = .none,
    _ body: @Sendable (APIClient) async throws -> Value
  ) async throws -> Value {
    let api = JobAPI(
      service: service, deadLetters: api.deadLetters, maxBodyBytes: api.maxBodyBytes,
      readiness: readiness ?? api.readiness,
      authentication: authentication, tokens: api.tokens, audit: api.audit,
      limits: limits, origins: origins, clock: clock)
    return try await Application(router: api.router(), logger: service.logger).test(.router) {
      try await body(APIClient(client: $0))
    }
  }

  /// Returns once someone waits for the job (or nobody does any more).
  func until(isWatched: Bool, _ job: JobID) async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while service.hub.isWatched(job) != isWatched {
      try #require(ContinuousClock.now < deadline, "nothing came or went within 10 s")
      await Task.yield()
    }
  }

  /// A job that stands in the store.
  @discardableResult
  func scheduled(
    _ type: String = "files:checksum", tenant: UUID = .zero, at time: Timestamp? = nil
  ) async throws -> Job {
    try await service.schedule(
      JobSubmission(type: try JobTypeID(type), tenantID: tenant, scheduledAt: time)
    ).job
  }

  /// Lets a worker start the job, as the only one that waits in its queue.
  func start(_ job: Job, worker: WorkerID = WorkerID(rawValue: "w")) async throws {
    _ = try await store.register(WorkerRegistration(worker: worker, epoch: 1), at: .now)
    let answers = try await store.claim(
      [
        ClaimRequest(
          worker: worker, epoch: 1, queue: job.queue, count: 1000, types: [job.type])
      ], bytes: 1 << 20, at: .now)
    guard answers[0].jobs.contains(where: { $0.job == job.id }) else {
      Issue.record("the job was not given")
      return
    }
    // What was given beside it waits again.
    for other in answers[0].jobs where other.job != job.id {
      _ = try await store.report(
        [
          JobReport(
            job: other.job, attempt: other.attempt, worker: worker, content: .ended(.returned))
        ], chances: [0], at: .now)
    }
  }

  /// Lets a worker complete the job.
  func complete(_ job: Job, worker: WorkerID = WorkerID(rawValue: "w")) async throws {
    try await start(job, worker: worker)
    let attempt = try await store.job(job.id)?.attempt ?? 0
    _ = try await store.report(
      [
        JobReport(
          job: job.id, attempt: attempt, worker: worker,
          content: .ended(.completed(result: ["digest": "ab"])))
      ], chances: [0], at: .now)
  }
}
