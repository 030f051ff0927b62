import AMQP
import Foundation
import GRDB
import JobStore
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

@testable import JobServer

/// The server's parts over a store in a folder of its own, a broker in memory and a clock that stands still.
final class ServerFixture: Sendable {
  let folder: URL
  let store: SQLiteStore
  let plan = DispatchPlan()
  let parked = ParkedWorkers()
  let claims = ClaimCounts()
  let hub: ChangeHub
  /// What the store has committed.
  let commits = Watched<[StoreCommit]>([])
  let broker = MemoryBroker()
  let clock = ManualClock()
  let names: TransportNames
  let logger: Logger
  let log: ServerLog
  let directory = WorkerDirectory()
  let catalog: Catalog
  let control: WorkerControl
  let inbox: InboxMarks
  let kept = KeptAttempts()
  let workers: WorkerCheck
  let commands = PeerTasks<WorkerID>(limit: 100)
  let declarations = PeerTasks<JobQueueName>(limit: 100)
  let callbacks = ScriptedCallbacks()
  let initializer: Initializer
  let intake: Intake
  let authority: ServerAuthority
  let service: JobOperations
  static let poisonLimit = 5

  init(quotas: TenantQuotas = TenantQuotas()) async throws {
    folder = URL.temporaryDirectory.appending(path: "warren-server-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    self.logger = logger
    names = try TransportNames()
    let hub = ChangeHub(plan: plan, parked: parked, watches: JobWatches(clock: clock))
    self.hub = hub
    let commits = commits
    store = try SQLiteStore(
      path: folder.appending(path: "store.sqlite").path(), quotas: quotas, logger: logger
    ) { commit in
      hub.note(commit)
      commits.update { $0.append(commit) }
    }
    log = ServerLog(logger, clock: clock)
    catalog = try await Catalog(store: store, registry: try Self.registry())
    control = WorkerControl(
      connection: broker, names: names, answers: "jobs.control.answers.s", patience: .seconds(5),
      presence: Presence(grace: .zero, clock: clock))
    inbox = InboxMarks(connection: broker, names: names, patience: .seconds(5), clock: clock)
    // No older server has kept anything.
    kept.noteRead()
    workers = WorkerCheck(
      store: store, control: control, inbox: inbox, kept: kept, directory: directory,
      parked: parked, poisonLimit: Self.poisonLimit, clock: clock, log: log)
    initializer = Initializer(store: store, callbacks: callbacks, logger: logger, clock: clock)
    intake = Intake(
      catalog: catalog, store: store, names: names, clock: clock, rates: SubmissionRates(quotas))
    authority = ServerAuthority(
      store: store, parked: parked, watches: hub.watches, claims: claims, control: control,
      commands: commands,
      answerBytes: 1 << 20, clock: clock, log: log)
    service = JobOperations(
      intake: intake, store: store, hub: hub, catalog: catalog, directory: directory,
      control: control, workerCheck: workers, callbacks: callbacks, initializer: initializer,
      resuming: ResumeGuard(),
      retention: Retention(store: store, policy: RetentionPolicy(), clock: clock, log: log),
      commands: commands, log: log, clock: clock, logger: logger)
    // The first connection is older than any grace.
    _ = control.presence.isGone(WorkerID(rawValue: "anyone"), on: 1)
    clock.advance(by: .seconds(60))
  }

  deinit {
    try? FileManager.default.removeItem(at: folder)
  }

  private static func registry() throws -> JobRegistry {
    struct Params: Codable, Sendable {
      var n = 0
    }
    var registry = JobRegistry()
    let group = try JobGroup("test", queue: .compute)
    for name in ["job", "other"] {
      try registry.register(JobType(group: group, name: name, params: Params()) { _, _ in })
    }
    return registry
  }

  var deadLetters: DeadLetterPublisher<MemoryBroker> { deadLetters(by: nil) }

  func deadLetters(by user: String?) -> DeadLetterPublisher<MemoryBroker> {
    let clock = clock
    return DeadLetterPublisher(connection: broker, names: names, logger: logger, user: user) {
      try await clock.sleep(for: $0)
    }
  }

  /// The server's own user is `warren`.
  func redriven(_ access: BrokerAccess = BrokerAccess()) -> RedrivenMessages {
    RedrivenMessages(store: store, access: access, ownUser: "warren")
  }

  func letterReader(_ access: BrokerAccess = BrokerAccess()) -> DeadLetterReader {
    DeadLetterReader(
      catalog: catalog, names: names, access: access, redriven: redriven(access))
  }

  func letterConsumer(
    _ access: BrokerAccess = BrokerAccess()
  ) -> DeadLetterConsumer<MemoryBroker> {
    DeadLetterConsumer(
      store: store, reader: letterReader(access), broker: broker, names: names, clock: clock,
      log: log)
  }

  func letters(_ access: BrokerAccess = BrokerAccess()) -> DeadLetterOperations {
    DeadLetterOperations(
      store: store,
      check: DeadLetterCheck(intake: intake, store: store, access: access, maxBodyBytes: 1 << 20),
      broker: broker, names: names, access: access, ownUser: "warren", clock: clock, log: log)
  }

  /// Runs services for as long as the body does.
  func run(
    _ services: [any Service], _ body: @escaping @Sendable () async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup { group in
      for service in services + [commands, declarations, workers] as [any Service] {
        group.addTask { try await service.run() }
      }
      do {
        try await body()
      } catch {
        group.cancelAll()
        throw error
      }
      group.cancelAll()
    }
  }

  // MARK: - Jobs

  /// Jobs that are in the store, as they are there.
  @discardableResult
  func jobs(
    _ count: Int, type: String = "test:job", queue: JobQueueName = .compute,
    at time: Timestamp = ManualClock.start, _ change: (inout Job) -> Void = { _ in }
  ) async throws -> [Job] {
    let jobs = try (0..<count).map { _ in
      var job = Job(
        id: JobID(), tenantID: .zero, userID: .zero, idempotencyKey: UUID(),
        type: try JobTypeID(type), queue: queue, params: ["n": 0], timeout: .seconds(60),
        retry: RetryPolicy(maxRetries: 0), scheduledAt: time, createdAt: ManualClock.start)
      change(&job)
      return job
    }
    _ = try await store.insert(
      jobs.map { NewJob($0, submitted: $0.params) }, at: clock.now)
    return jobs
  }

  func running(_ count: Int, by worker: WorkerID) async throws -> [Job] {
    _ = try await store.register(WorkerRegistration(worker: worker, epoch: 1), at: clock.now)
    return try await jobs(count) { job in
      job.status = .running
      job.attempt = 1
      job.worker = worker
      job.claim = UUID()
    }
  }

  func status(_ job: Job) async throws -> JobStatus? {
    try await store.job(job.id)?.status
  }

  func until(_ job: Job, is status: JobStatus) async throws {
    if try await self.status(job) == status { return }
    try await commits.until("\(job.id) is \(status)") { commits in
      commits.contains { commit in
        commit.transitions.contains { $0.job == job.id && $0.to == status }
      }
    }
  }

  /// Waits until the store has nothing to tell producers any more.
  func untilNobodyIsToBeTold() async throws {
    let deadline = ContinuousClock.now + .seconds(30)
    while try await !store.pendingReplies(after: 0, limit: 1).isEmpty {
      guard ContinuousClock.now < deadline else {
        throw Watched<String>.Overdue(what: "all are told", state: "some are not")
      }
      await Task.yield()
    }
  }

  // MARK: - Faults

  /// Has the store fail to change jobs, or what the statement names, until it is mended.
  func breakStore(_ event: String = "UPDATE ON job") async throws {
    try await execute(
      "CREATE TRIGGER fault BEFORE \(event) BEGIN SELECT abs(-9223372036854775808); END")
  }

  func mendStore() async throws {
    try await execute("DROP TRIGGER fault")
  }

  /// By another connection to the same file, as another program would.
  func execute(_ sql: String) async throws {
    var configuration = Configuration()
    configuration.busyMode = .timeout(5)
    let file = try DatabaseQueue(
      path: folder.appending(path: "store.sqlite").path(), configuration: configuration)
    defer { try? file.close() }
    try await file.write { db in try db.execute(sql: sql) }
  }
}

/// Callbacks that end as the test says.
final class ScriptedCallbacks: CallbackCalling {
  private let script = Watched<@Sendable (Job) async -> CallbackOutcome>({ _ in .nobody })

  func set(_ script: @escaping @Sendable (Job) async -> CallbackOutcome) {
    self.script.update { $0 = script }
  }

  func call(_ callback: JobCallback, for job: Job, in holder: WorkerID?) async -> CallbackOutcome {
    await script.value(job)
  }
}
