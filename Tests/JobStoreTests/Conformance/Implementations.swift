import Foundation
import JobMemoryStore
import JobStore
import Jobs
import Logging
import Synchronization
import Testing

/// What implements the seam.
enum Implementation: CaseIterable, Sendable {
  case memory
  case sqlite
}

/// Notes what a store tells of its commits.
final class CommitLog: Sendable {
  private let noted = Mutex<[StoreCommit]>([])

  var commits: [StoreCommit] { noted.withLock { $0 } }
  var transitions: [JobEvent] { commits.flatMap(\.transitions) }

  func note(_ commit: StoreCommit) { noted.withLock { $0.append(commit) } }

  /// What was told since the last time.
  func take() -> [StoreCommit] {
    noted.withLock { commits in
      defer { commits = [] }
      return commits
    }
  }
}

/// A store of some kind, with what it tells, and the shorthand of the tests.
struct Subject: Sendable {
  let store: any JobStore
  let log: CommitLog
  static let worker = WorkerID(rawValue: "w")
  static let now = Timestamp.start

  static func with(
    _ implementation: Implementation, quotas: TenantQuotas = TenantQuotas(),
    _ body: (Subject) async throws -> Void
  ) async throws {
    let log = CommitLog()
    switch implementation {
    case .memory:
      try await body(
        Subject(store: MemoryJobStore(quotas: quotas) { log.note($0) }, log: log))
    case .sqlite:
      let folder = try TemporaryFolder()
      var logger = Logger(label: "test")
      logger.logLevel = .critical
      let store = try SQLiteStore(path: folder.file(), quotas: quotas, logger: logger) {
        log.note($0)
      }
      do {
        try await body(Subject(store: store, log: log))
      } catch {
        try store.close()
        throw error
      }
      try store.close()
    }
  }

  /// Jobs that are stored.
  @discardableResult
  func insert(
    _ count: Int, type: String = "files:checksum", queue: JobQueueName = .compute,
    tenant: UUID = .zero, priority: Int = 0, retries: Int = 0, params: JSONValue = ["path": "a"],
    at time: Timestamp = now,
    _ change: (inout Job) -> Void = { _ in }
  ) async throws -> [Job] {
    let jobs = try (0..<count).map { _ in
      var job = Job(
        id: JobID(), tenantID: tenant, userID: .zero, idempotencyKey: UUID(),
        type: try JobTypeID(type), queue: queue, params: params, timeout: .seconds(60),
        retry: RetryPolicy(maxRetries: retries, delay: .seconds(10)), priority: priority,
        scheduledAt: time, createdAt: Self.now)
      change(&job)
      return job
    }
    for insertion in try await store.insert(
      jobs.map { NewJob($0, submitted: $0.params) }, at: Self.now)
    {
      guard case .created = insertion else {
        Issue.record("\(insertion)")
        continue
      }
    }
    return jobs
  }

  func register(_ worker: WorkerID = worker, epoch: Int64 = 1) async throws {
    _ = try await store.register(WorkerRegistration(worker: worker, epoch: epoch), at: Self.now)
  }

  func claim(
    _ count: Int, by worker: WorkerID = worker, epoch: Int64 = 1, claim: UUID = UUID(),
    isRepeated: Bool = false, queue: JobQueueName = .compute,
    types: [String] = ["files:checksum"], bytes: Int = 1 << 20, at now: Timestamp = now
  ) async throws -> ClaimAnswer {
    let request = ClaimRequest(
      worker: worker, epoch: epoch, claim: claim, isRepeated: isRepeated, queue: queue,
      count: count, types: try types.map { try JobTypeID($0) })
    return try await store.claim([request], bytes: bytes, at: now)[0]
  }

  @discardableResult
  func report(
    _ job: JobID, _ content: JobReport.Content, attempt: Int = 1, by worker: WorkerID = worker,
    at now: Timestamp = now
  ) async throws -> Job.ReportDecision {
    try await store.report(
      [JobReport(job: job, attempt: attempt, worker: worker, content: content)], chances: [0.5],
      at: now)[0]
  }

  func apply(_ action: JobCommand.Action, to job: JobID, tenant: UUID? = nil) async throws
    -> JobCommand.Result?
  {
    try await store.apply(JobCommand(action, of: job, tenant: tenant), at: Self.now)
  }

  func job(_ id: JobID) async throws -> Job {
    try #require(try await store.job(id))
  }

  /// Jobs that a worker runs.
  func running(_ count: Int, by worker: WorkerID = worker) async throws -> [Job] {
    try await register(worker)
    let jobs = try await insert(count)
    let answer = try await claim(count, by: worker)
    #expect(answer.jobs.count == count)
    return jobs
  }
}
