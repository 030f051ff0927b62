import AMQP
import Foundation
import GRDB
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

@testable import JobServer
@testable import JobStore

/// The server's parts over a store in a folder of its own, a broker in memory and a clock that stands still.
final class ServerFixture: Sendable {
  let folder: URL
  let store: StatusStore
  let hub = ChangeHub()
  /// What the store has committed.
  let changes = Watched<[JobChange]>([])
  let broker = MemoryBroker()
  let clock = ManualClock()
  let names: TransportNames
  let logger: Logger
  let log: ServerLog
  let directory = WorkerDirectory()
  let catalog: Catalog
  let control: WorkerControl
  let inbox: InboxMarks
  let holders: HolderCheck
  let examiner: HolderExaminer
  let contests: ContestedClaims
  let commands = PeerTasks<WorkerID>(limit: 100)
  let declarations = PeerTasks<JobQueueName>(limit: 100)
  let callbacks = ScriptedCallbacks()
  let initializer: Initializer
  let intake: Intake
  let authority: ServerAuthority
  let service: JobService

  init() async throws {
    folder = URL.temporaryDirectory.appending(path: "warren-server-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    self.logger = logger
    names = try TransportNames()
    let (hub, changes) = (hub, changes)
    store = try StatusStore(
      path: folder.appending(path: "store.sqlite").path(), logger: logger
    ) { news in
      hub.note(news)
      changes.update { $0 += news }
    }
    log = ServerLog(logger, clock: clock)
    catalog = try await Catalog(store: store, registry: try Self.registry())
    control = WorkerControl(
      connection: broker, names: names, patience: .seconds(5),
      presence: Presence(grace: .zero, clock: clock))
    inbox = InboxMarks(connection: broker, names: names, patience: .seconds(5), clock: clock)
    holders = HolderCheck(
      store: store, control: control, inbox: inbox, poisonLimit: 5, logger: logger,
      clock: clock)
    // No older server has kept anything.
    holders.kept.noteRead()
    examiner = HolderExaminer(
      store: store, control: control, holders: holders, clock: clock, log: log)
    contests = ContestedClaims(
      store: store, control: control, holders: holders, clock: clock, log: log)
    let initializer = Initializer(
      store: store, callbacks: callbacks, logger: logger, clock: clock)
    self.initializer = initializer
    intake = Intake(catalog: catalog, store: store, names: names) { initializer.share($0) }
    authority = ServerAuthority(
      store: store, contests: contests, control: control, commands: commands, poisonLimit: 5,
      clock: clock, log: log)
    service = JobService(
      intake: intake, store: store, hub: hub, catalog: catalog, directory: directory,
      control: control, holders: holders, callbacks: callbacks, initializer: initializer,
      resuming: ResumeGuard(), examiner: examiner, commands: commands, log: log, logger: logger)
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
    try registry.register(JobType(group: group, name: "job", params: Params()) { _, _ in })
    return registry
  }

  var deadLetters: DeadLetterPublisher<MemoryBroker> {
    let clock = clock
    return DeadLetterPublisher(connection: broker, names: names, logger: logger) {
      try await clock.sleep(for: $0)
    }
  }

  /// Runs services for as long as the body does.
  func run(
    _ services: [any Service], _ body: @escaping @Sendable () async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup { group in
      for service in services + [commands, declarations, examiner] as [any Service] {
        group.addTask { try await service.run() }
      }
      group.addTask { try await self.contests.run() }
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
  func jobs(
    _ count: Int, queue: JobQueueName = .compute, at time: Timestamp = ManualClock.start,
    _ change: (inout Job) -> Void = { _ in }
  ) async throws -> [Job] {
    let jobs = try (0..<count).map { _ in
      var job = Job(
        id: JobID(), tenantID: .zero, userID: .zero, idempotencyKey: UUID(),
        type: try JobTypeID("test:job"), queue: queue, params: ["n": 0], timeout: .seconds(60),
        retry: RetryPolicy(maxRetries: 0), scheduledAt: time, createdAt: ManualClock.start)
      change(&job)
      return job
    }
    _ = try await store.insert(jobs)
    return jobs
  }

  func running(_ count: Int, by worker: WorkerID) async throws -> [Job] {
    try await jobs(count) { job in
      job.status = .running
      job.attempt = 1
      job.worker = worker
      job.claim = UUID()
      job.ticketIssued = true
    }
  }

  func status(_ job: Job) async throws -> JobStatus? {
    try await store.job(job.id)?.status
  }

  func until(_ job: Job, is status: JobStatus) async throws {
    if try await self.status(job) == status { return }
    try await changes.until("\(job.id) is \(status)") { changes in
      changes.contains { $0.job.id == job.id && $0.job.status == status }
    }
  }

  // MARK: - Faults

  /// Has the store fail to change jobs, or what the statement names, until it is mended.
  func breakStore(_ event: String = "UPDATE ON jobs") async throws {
    try await execute(
      "CREATE TRIGGER fault BEFORE \(event) BEGIN SELECT abs(-9223372036854775808); END")
  }

  func mendStore() async throws {
    try await execute("DROP TRIGGER fault")
  }

  func execute(_ sql: String) async throws {
    try await store.writes.write { scope in try scope.db.execute(sql: sql) }
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
