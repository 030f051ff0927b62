import Foundation
import GRDB
import JobMemoryStore
import Logging
import Synchronization
import Testing

@testable import JobStore
@testable import Jobs

/// The set-based statements against the pure state machine: the same random calls to both have to come to the same.
@Suite("The SQLite store, as the pure functions have it", .timeLimit(.minutes(10)))
struct PropertyTests {
  private static let workers = ["a", "b", "c"].map { WorkerID(rawValue: $0) }
  private static let types = ["files:checksum", "files:count", "mail:send"]
  private static let tenants = [UUID.zero, UUID(number: 1)]

  @Test("answers alike, whatever is called", arguments: [1, 2, 3, 4, 5])
  func alike(_ seed: UInt64) async throws {
    try await run(seed: seed, steps: 250)
  }

  @Test("answers alike where each call can be taken back by itself", arguments: [6, 7])
  func careful(_ seed: UInt64) async throws {
    var options = StoreOptions()
    options.isCareful = true
    try await run(seed: seed, steps: 250, options: options)
  }

  @Test("runs no statement that would look at every job, whatever is called")
  func plans() async throws {
    let seen = SeenStatements()
    try await run(seed: 6, steps: 400) { store in
      try await store.writes.write { transaction in
        transaction.db.trace { event in
          guard case .statement(let statement) = event else { return }
          seen.texts.withLock { _ = $0.insert(statement.sql) }
        }
      }
    } last: { store in
      let statements = seen.texts.withLock { $0 }
        .filter { $0.firstMatch(of: /^(SELECT|INSERT|UPDATE|DELETE|WITH)/.ignoresCase()) != nil }
      #expect(statements.count > 40)
      try await store.writes.write { transaction in
        transaction.db.trace(nil)
        for sql in statements { try QueryPlan.expectIndexed(sql, sorts: true, transaction.db) }
      }
    }
  }

  /// For as long as `WARREN_PROPERTY_SECONDS` says, from the seed `WARREN_PROPERTY_SEED` on.
  @Test(
    "answers alike for long",
    .enabled(if: ProcessInfo.processInfo.environment["WARREN_PROPERTY_SECONDS"] != nil))
  func long() async throws {
    let seconds = Double(ProcessInfo.processInfo.environment["WARREN_PROPERTY_SECONDS"] ?? "") ?? 0
    let deadline = ContinuousClock.now + .seconds(seconds)
    let given = ProcessInfo.processInfo.environment["WARREN_PROPERTY_SEED"].flatMap(UInt64.init)
    var seed = given ?? UInt64.random(in: 0...1_000_000_000)
    while ContinuousClock.now < deadline {
      try await run(seed: seed, steps: 1000)
      seed += 1
    }
  }

  private func run(
    seed: UInt64, steps: Int, options: StoreOptions = StoreOptions(),
    first: (SQLiteStore) async throws -> Void = { _ in },
    last: (SQLiteStore) async throws -> Void = { _ in }
  ) async throws {
    let logs = (CommitLog(), CommitLog())
    let model = MemoryJobStore { logs.0.note($0) }
    let folder = try TemporaryFolder()
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let store = try SQLiteStore(path: folder.file(), options: options, logger: logger) {
      logs.1.note($0)
    }
    try await first(store)
    var walk = Walk(SeededGenerator(seed: seed))
    var history: [String] = []
    for step in 0..<steps {
      let call = try walk.next()
      history.append("\(step): \("\(call)".prefix(1000))")
      let expected = try await call.answer(of: model)
      let found = try await call.answer(of: store)
      walk.learn(model.jobs(walk.ids))
      let told = (logs.0.take(), logs.1.take())
      var differences: [String] = []
      if expected != found {
        differences.append("answers\n\(expected.prefix(600))\n\(found.prefix(600))")
      }
      let kept = (Kept(told.0), Kept(told.1))
      if kept.0 != kept.1 { differences.append("tells\n\(kept.0)\n\(kept.1)") }
      if step % 10 == 0 || !differences.isEmpty {
        differences += try await Self.differences(model, store, walk.ids)
      }
      guard differences.isEmpty else {
        Issue.record(
          "seed \(seed):\n\(history.suffix(12).joined(separator: "\n"))\n\(differences.joined(separator: "\n"))"
        )
        break
      }
    }
    try await last(store)
    try store.close()
  }

  private static func differences(
    _ model: MemoryJobStore, _ store: SQLiteStore, _ ids: [JobID]
  ) async throws -> [String] {
    var differences: [String] = []
    func compare<Value: Equatable>(
      _ what: String, _ read: (any JobStore) async throws -> Value
    ) async throws {
      let (expected, found) = (try await read(model), try await read(store))
      if expected != found {
        differences.append("\(what)\n\("\(expected)".prefix(2000))\n\("\(found)".prefix(2000))")
      }
    }
    for id in ids {
      try await compare("job \(id)") { try await $0.job(id) }
      try await compare("log of \(id)") { try await $0.log(of: id, tenant: nil, after: 0) }
    }
    try await compare("counts") { try await $0.counts() }
    try await compare("due") { try await $0.due() }
    try await compare("held") { try await $0.heldCounts() }
    try await compare("workers") { try await $0.workers() }
    try await compare("pending") {
      try await $0.pendingReplies(after: 0, limit: 1000).map(\.job)
    }
    try await compare("silent") {
      try await $0.heldSilently(since: .start + 1_000_000, after: nil, limit: 1000)
    }
    try await compare("events") { store in
      try await store.events(after: 0, limit: 100_000).map { Kept.Step($0) }
    }
    for statuses in [[], [JobStatus.waiting], [.completed, .failed]] as [Set<JobStatus>] {
      try await compare("list") {
        try await $0.list(JobQuery(tenant: tenants[0], statuses: statuses, pageSize: 1000))
      }
    }
    return differences
  }
}

/// What commits have told, without the numbers of events, which may have gaps.
private struct Kept: Equatable {
  struct Step: Equatable {
    let event: JobEvent

    init(_ event: JobEvent) {
      self.event = JobEvent(
        sequence: 0, job: event.job, type: event.type, queue: event.queue, from: event.from,
        to: event.to, at: event.at, attempt: event.attempt, worker: event.worker,
        reason: event.reason)
    }
  }

  let steps: [Step]
  let due: Set<DueJobs>
  let nextDue: Timestamp?
  let deleted: [JobID]
  let hasReplies: Bool

  init(_ commits: [StoreCommit]) {
    steps = commits.flatMap(\.transitions).map(Step.init)
    due = Set(commits.flatMap(\.due))
    nextDue = commits.compactMap(\.nextDue).min()
    // What is pruned together has no order.
    deleted = commits.flatMap(\.deleted).sorted()
    hasReplies = commits.contains(where: \.hasReplies)
  }
}

private final class SeenStatements: Sendable {
  let texts = Mutex<Set<String>>([])
}

/// One call of a store.
private enum Call {
  case insert([NewJob], Timestamp)
  case withdraw(JobID, Timestamp)
  case register(WorkerRegistration, Timestamp)
  case claim([ClaimRequest], Int, Timestamp)
  case report([JobReport], [Double], Timestamp)
  case lock([LockRequest], Timestamp)
  case lose(WorkerID, Set<RunningAttempt>, Timestamp)
  case apply([JobCommand], Timestamp)
  case delete(JobID, UUID?, Timestamp)
  case promote(Timestamp, Int)
  case prune(RetentionPolicy, Timestamp, Int)

  func answer(of store: any JobStore) async throws -> String {
    switch self {
    case .insert(let jobs, let now): "\(try await store.insert(jobs, at: now).map(Self.short))"
    case .withdraw(let job, let now): Self.short(try await store.withdraw(job, at: now))
    case .register(let registration, let now):
      "\(try await store.register(registration, at: now))"
    case .claim(let requests, let bytes, let now):
      "\(try await store.claim(requests, bytes: bytes, at: now))"
    case .report(let reports, let chances, let now):
      "\(try await store.report(reports, chances: chances, at: now))"
    case .lock(let requests, let now): "\(try await store.lock(requests, at: now))"
    case .lose(let worker, let kept, let now):
      "\(try await store.lose(worker, except: kept, poisonLimit: 3, at: now))"
    case .apply(let commands, let now):
      "\(try await store.apply(commands, at: now).map { $0.map { "\($0.decision) \($0.job.status)" } })"
    case .delete(let job, let tenant, let now):
      Self.short(try await store.delete(job, tenant: tenant, at: now))
    case .promote(let now, let limit):
      "\(try await store.promote(at: now, limit: limit)?.milliseconds ?? -1)"
    case .prune(let policy, let now, let limit):
      try await Self.prune(store, policy, now, limit)
    }
  }

  /// To its end: which of those that are due come first is the store's own affair.
  private static func prune(
    _ store: any JobStore, _ policy: RetentionPolicy, _ now: Timestamp, _ limit: Int
  ) async throws -> String {
    let expected = try await store.prunable(policy, at: now)
    var pruned = Pruned()
    repeat {
      let next = try await store.prune(policy, at: now, limit: limit)
      guard next.total + next.tombstones <= limit else { return "more than \(limit): \(next)" }
      pruned.add(next)
    } while pruned.hasMore
    return "\(pruned) as \(pruned == expected ? "was to be expected" : "\(expected)")"
  }

  private static func short(_ insertion: Insertion) -> String {
    switch insertion {
    case .created(let job): "created \(job.id)"
    case .repeated(let job): "repeated \(job.id)"
    case .conflict(let job): "conflict \(job.id)"
    case .deleted: "deleted"
    case .unreadable: "unreadable"
    case .exceeded(let quota): "exceeded \(quota)"
    case .unfit(let why): "unfit \(why)"
    }
  }

  private static func short(_ deletion: Deletion) -> String {
    switch deletion {
    case .deleted(let job): "deleted \(job.id) \(job.status)"
    case .refused(let job): "refused \(job.id) \(job.status)"
    case .unknown: "unknown"
    }
  }
}

/// A way through the calls, of which each knows what became of the jobs before it.
private struct Walk {
  private var random: SeededGenerator
  private(set) var ids: [JobID] = []
  private var known: [JobID: Job] = [:]
  private var submitted: [NewJob] = []
  private var claims: [ClaimRequest] = []
  private var now = Timestamp.start
  private var number: UInt64 = 0
  private let workers = ["a", "b", "c"].map { WorkerID(rawValue: $0) }
  private let types = ["files:checksum", "files:count", "mail:send"]
  private let tenants = [UUID.zero, UUID(number: 1)]

  init(_ random: SeededGenerator) {
    self.random = random
  }

  mutating func learn(_ jobs: [JobID: Job]) {
    known = jobs
  }

  private mutating func chance(_ percent: Int) -> Bool {
    Int.random(in: 0..<100, using: &random) < percent
  }

  private mutating func pick<Element>(_ elements: [Element]) -> Element {
    elements[Int.random(in: 0..<elements.count, using: &random)]
  }

  /// The same in each run: the tests' own time is in it.
  private mutating func uuid() -> UUID {
    UUID.version7(at: now, using: &random)
  }

  private mutating func job() -> JobID {
    ids.isEmpty || chance(3) ? JobID(uuid()) : pick(ids)
  }

  mutating func next() throws -> Call {
    if chance(60) { now = now + Int64.random(in: 0...3000, using: &random) }
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<18: return .insert(try (0..<pick([1, 1, 2, 5])).map { _ in try newJob() }, now)
    case 18..<20: return .withdraw(job(), now)
    case 20..<28:
      return .register(
        WorkerRegistration(
          worker: pick(workers), epoch: pick([1, 1, 1, 2]),
          running: chance(40) ? (0..<2).map { _ in attempt() } : []), now)
    case 28..<48:
      return .claim(try (0..<pick([1, 1, 2])).map { _ in try claim() }, pick([40, 1 << 20]), now)
    case 48..<72:
      // Completions are decided as a set.
      let isSet = chance(30)
      let reports = (0..<pick(isSet ? [3, 8, 40] : [1, 2, 6])).map { _ in
        report(completes: isSet && chance(90))
      }
      return .report(
        reports, reports.map { _ in Double.random(in: 0..<1, using: &random) }, now)
    case 72..<77: return .lock((0..<2).map { _ in lock() }, now)
    case 77..<80:
      return .lose(pick(workers), chance(30) ? [attempt(), attempt()] : [], now)
    case 80..<92: return .apply((0..<pick([1, 3])).map { _ in command() }, now)
    case 92..<95: return .delete(job(), chance(20) ? pick(tenants) : nil, now)
    case 95..<97: return .prune(try retention(), pick([now, now, later]), pick([1, 3, 1000]))
    default: return .promote(now, pick([1, 100]))
    }
  }

  /// When even the ids of deleted jobs may be forgotten.
  private var later: Timestamp { now + .seconds(40 * 86_400) }

  private mutating func retention() throws -> RetentionPolicy {
    var policy = RetentionPolicy()
    for status in RetentionPolicy.statuses {
      policy.keep(status, for: .milliseconds(pick([0, 1, 5000, 60_000])))
    }
    policy.keep(.completed, for: .milliseconds(pick([0, 3000])), type: try JobTypeID(pick(types)))
    return policy
  }

  private mutating func newJob() throws -> NewJob {
    if !submitted.isEmpty, chance(15) {
      let old = pick(submitted)
      guard chance(50) else { return old }
      return NewJob(
        try made(key: old.job.idempotencyKey, params: old.job.params, old.job.type),
        submitted: old.submitted)
    }
    number += 1
    let params: JSONValue = ["n": .integer(Int64(number % 7))]
    let new = NewJob(
      try made(key: chance(50) ? uuid() : nil, params: params, try JobTypeID(pick(types))),
      submitted: chance(70) ? params : [:])
    submitted.append(new)
    return new
  }

  private mutating func made(
    key: UUID?, params: JSONValue, _ type: JobTypeID
  ) throws -> Job {
    let id = JobID(uuid())
    var job = Job(
      id: id, tenantID: pick(tenants), userID: chance(50) ? .zero : UUID(number: 3),
      idempotencyKey: key ?? id.uuid, type: type,
      queue: type.group == "mail" ? .download : .compute, params: params,
      timeout: .milliseconds(pick([0, 5000])),
      retry: RetryPolicy(
        maxRetries: pick([0, 1, 3]), delay: .milliseconds(pick([0, 2000])),
        backoff: pick(Backoff.allCases), jitter: pick([0, 0.5])),
      priority: pick([0, 0, 5, 9]), context: chance(20) ? ["request-id": "\(number)"] : [:],
      scheduledAt: chance(70) ? now : now + 2500, createdAt: now)
    if chance(8) { job.status = .initializing }
    if chance(15) { job.replies = [JobReply(address: pick(["x", "y"]))] }
    ids.append(id)
    return job
  }

  private mutating func attempt() -> RunningAttempt {
    let id = job()
    return RunningAttempt(job: id, attempt: (known[id]?.attempt ?? 1) - (chance(10) ? 1 : 0))
  }

  private mutating func claim() throws -> ClaimRequest {
    if !claims.isEmpty, chance(20) { return pick(claims).repeated }
    let request = ClaimRequest(
      worker: pick(workers), epoch: pick([1, 1, 1, 2]), claim: uuid(),
      queue: pick([.compute, .compute, .download]), count: pick([1, 2, 10]),
      types: try types.filter { _ in chance(60) }.map { try JobTypeID($0) })
    claims.append(request)
    return request
  }

  private mutating func report(completes: Bool) -> JobReport {
    let held = known.values.filter(\.status.isHeld).map(\.id).sorted()
    let id = held.isEmpty || chance(20) ? job() : pick(held)
    let content: JobReport.Content =
      switch completes ? 4 : Int.random(in: 0..<17, using: &random) {
      case 0, 1: .progress(progress())
      case 2: .snapshot(["at": .integer(Int64(number))])
      case 3: .policy(RetryPolicy(maxRetries: pick([0, 2])), timeout: chance(50) ? 1000 : nil)
      case 4, 5, 6: .ended(.completed(result: chance(50) ? ["r": 1] : nil))
      case 7: .ended(.failed(error: "no luck", permanent: chance(30)))
      case 8: .ended(.timedOut(error: "late"))
      case 9: .ended(.skipped(reason: chance(50) ? "nothing" : ""))
      case 10: .ended(.canceled)
      case 11, 12:
        .ended(
          .retryAfter(
            error: "busy", delay: .milliseconds(pick([0, 2000])), counted: chance(50)))
      case 13: .ended(.snoozed(.milliseconds(pick([0, 2000])), reason: chance(50) ? "early" : nil))
      case 14, 15: .log(lines())
      default: .ended(.returned)
      }
    return JobReport(
      job: id, attempt: (known[id]?.attempt ?? 1) - (chance(8) ? 1 : 0),
      worker: chance(92) ? known[id]?.worker ?? pick(workers) : pick(workers), content: content)
  }

  private mutating func lines() -> JobLogSet {
    // Some follow each other, some have gaps, some were there before.
    let first = Int64.random(in: 1...400, using: &random)
    let count = pick([1, 3, 100])
    let length = pick([1, 1, 4_000])
    return JobLogSet(
      first: first,
      lines: (0..<count).map {
        .init(
          time: now, level: .info, text: "\($0)" + String(repeating: "x", count: length))
      })
  }

  private mutating func progress() -> JobProgress {
    let percent = Double(Int.random(in: 0...100, using: &random))
    return JobProgress(percent, chance(50) ? "some" : nil)
  }

  private mutating func lock() -> LockRequest {
    let id = job()
    return LockRequest(
      job: id, attempt: known[id]?.attempt ?? 1, worker: known[id]?.worker ?? pick(workers),
      by: chance(80) ? job() : nil)
  }

  private mutating func command() -> JobCommand {
    let id = job()
    let action: JobCommand.Action =
      switch Int.random(in: 0..<9, using: &random) {
      case 0, 1: .cancel(reason: chance(50) ? "enough" : nil)
      case 2: .suspend
      case 3: .resume
      case 4: .finishInitialization
      case 5: .failInitialization("refused")
      case 6: .lose(attempt: known[id]?.attempt ?? 1, poisonLimit: 3)
      case 7: .addReply(JobReply(address: pick(["x", "y"])))
      default: .noteReplies([JobReply(address: pick(["x", "y"]))])
      }
    return JobCommand(action, of: id, tenant: chance(20) ? pick(tenants) : nil)
  }
}
