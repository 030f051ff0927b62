import Foundation
import GRDB
import Jobs
import Testing

@testable import JobStore

/// One row that cannot be read keeps back no other, in whatever is read or changed in sets.
@Suite("A row that cannot be read", .timeLimit(.minutes(3))) struct UnreadableRowTests {
  /// Ways in which a foreign hand, or a fault, can leave a row.
  enum Damage: String, CaseIterable, Sendable {
    case params = "UPDATE payload SET params = CAST('not json' AS BLOB) WHERE number = 1"
    case missing = "DELETE FROM payload WHERE number = 1"
    case snapshot = "UPDATE payload SET snapshot = CAST('[' AS BLOB) WHERE number = 1"
    case context =
      "UPDATE payload SET context = CAST('{\"a\":1}' AS BLOB) WHERE number = 1"
    case replies = "UPDATE payload SET replies = CAST('{}' AS BLOB) WHERE number = 1"
    case type =
      "UPDATE type SET name = 'no type' WHERE number = (SELECT type FROM job WHERE number = 1)"
    case queue =
      "UPDATE queue SET name = 'no queue!' WHERE number = (SELECT queue FROM job WHERE number = 1)"

    /// Whether it can still be told which job it is.
    var leavesTheJob: Bool { self != .type && self != .queue }
  }

  private let worker = WorkerID(rawValue: "w")

  /// Two jobs in the same state, of which the first is damaged. They are of two types and queues.
  private func withDamage(
    _ damage: Damage, change: (inout Job) -> Void = { _ in },
    _ body: (StoreFixture, _ bad: Job, _ good: Job) async throws -> Void
  ) async throws {
    let folder = try TemporaryFolder()
    let bad = try sampleJob(id: JobID(UUID(number: 1)), type: "bad:job", queue: .download)
      .with(change)
    let good = try sampleJob(id: JobID(UUID(number: 2))).with(change)
    let before = try StoreFixture(folder)
    _ = try await before.store.insert([bad, good])
    try await before.store.writes.write { try $0.db.execute(sql: damage.rawValue) }
    try before.store.close()
    // The writer knows the names of what it has stored itself.
    let fixture = try StoreFixture(folder)
    do {
      try await body(fixture, bad, good)
    } catch {
      try fixture.store.close()
      throw error
    }
    try fixture.store.close()
  }

  private func status(_ fixture: StoreFixture) async throws -> JobStatus? {
    try await fixture.store.writes.write { transaction in
      try Int.fetchOne(transaction.db, sql: "SELECT status FROM job WHERE number = 1")
    }.flatMap(StatusCode.status)
  }

  private func claim(_ fixture: StoreFixture) async throws -> [JobID] {
    _ = try await fixture.store.register(
      WorkerRegistration(worker: worker, epoch: 1), at: .start)
    let answers = try await fixture.store.claim(
      try [("bad:job", JobQueueName.download), ("files:checksum", .compute)].map {
        ClaimRequest(worker: worker, epoch: 1, queue: $1, count: 9, types: [try JobTypeID($0)])
      }, bytes: 1000, at: .start)
    return answers.flatMap(\.jobs).map(\.job)
  }

  @Test("is not given to a worker, and fails with the reason", arguments: Damage.allCases)
  func claims(_ damage: Damage) async throws {
    try await withDamage(damage) { fixture, bad, good in
      let given = try await claim(fixture)
      #expect(given.contains(good.id))
      guard damage.leavesTheJob else {
        // Of its type or queue nothing is known to be there.
        #expect(given == [good.id])
        return
      }
      // Replies are nothing that a worker is given; what params and snapshots say, its callback finds out.
      guard ![.replies, .params, .snapshot].contains(damage) else {
        #expect(given == [bad.id, good.id])
        return
      }
      #expect(given == [good.id])
      #expect(try await status(fixture) == .failed)
      #expect(fixture.store.damage.setAside == 1)
      let failed = try #require(try await fixture.store.job(bad.id, tenant: nil))
      #expect(failed.status == .failed)
      let column = damage == .missing ? "params" : "\(damage)"
      #expect(failed.error?.contains(column) == true)
      let events = try await fixture.store.events(of: bad.id, after: 0, limit: 9)
      #expect(events.map(\.to) == [.waiting, .running, .failed])
      #expect(try await fixture.store.due().isEmpty)
    }
  }

  @Test("does not stop recovery, nor look like its end", arguments: Damage.allCases)
  func recovery(_ damage: Damage) async throws {
    let run: (inout Job) -> Void = { [worker] in
      $0.status = .running
      $0.worker = worker
    }
    try await withDamage(damage, change: run) {
      (fixture: StoreFixture, _: Job, good: Job) async throws in
      #expect(
        try await fixture.store.jobs(heldBy: worker, after: nil, limit: 1).map(\.id) == [good.id])
      #expect(try await status(fixture) == .failed)
    }
    try await withDamage(damage, change: run) {
      (fixture: StoreFixture, _: Job, good: Job) async throws in
      #expect(
        try await fixture.store.jobs(in: [.running], after: nil, limit: 1).map(\.id) == [good.id])
      #expect(try await status(fixture) == .failed)
    }
  }

  @Test("does not keep what is reported beside it from being applied", arguments: Damage.allCases)
  func reports(_ damage: Damage) async throws {
    let run: (inout Job) -> Void = { [worker] in
      $0.status = .running
      $0.worker = worker
      $0.attempt = 1
    }
    try await withDamage(damage, change: run) { fixture, bad, good in
      let reports = [bad, good].map {
        JobReport(
          job: $0.id, attempt: 1, worker: worker, content: .ended(.completed(result: ["r": 1])))
      }
      let decisions = try await fixture.store.report(reports, chances: [0, 0], at: .start)
      #expect(decisions.last == .applied)
      #expect(try await fixture.store.job(good.id, tenant: nil)?.result == ["r": 1])
      // Its result is kept, or it has failed with the reason.
      let completes = [.params, .snapshot, .replies, .context].contains(damage)
      #expect(try await status(fixture) == (completes ? .completed : .failed))
      #expect((decisions.first == .applied) == completes)
    }
  }

  @Test("does not stop a list, which shows what can be read of it", arguments: Damage.allCases)
  func list(_ damage: Damage) async throws {
    try await withDamage(damage) { fixture, bad, good in
      let page = try await fixture.store.list(JobQuery(order: JobOrder(.createdAt)))
      #expect(page.total == 2)
      #expect(page.jobs.map(\.id) == (damage.leavesTheJob ? [bad.id, good.id] : [good.id]))
      if damage == .params { #expect(page.jobs.first?.params == ["unreadable": "not json"]) }
    }
  }

  @Test("does not keep the others of a change from being made", arguments: Damage.allCases)
  func change(_ damage: Damage) async throws {
    try await withDamage(damage) { fixture, bad, good in
      let results = try await fixture.store.apply(
        [bad, good].map { JobCommand(.cancel(reason: nil), of: $0.id) }, at: .start)
      #expect(results.map { $0?.decision } == [damage.leavesTheJob ? .pointless : nil, .done])
      #expect(try await status(fixture) == .failed)
    }
  }

  @Test("does not keep the others of a submission out", arguments: Damage.allCases)
  func insertion(_ damage: Damage) async throws {
    try await withDamage(damage) { fixture, bad, _ in
      let new = try sampleJob()
      let outcomes = try await fixture.store.insert([bad, new])
      #expect(outcomes.count == 2)
      #expect(outcomes.last == .created(new))
    }
  }

  @Test("that has ended stays as it ended, and holds up no reply", arguments: Damage.allCases)
  func replies(_ damage: Damage) async throws {
    let end: (inout Job) -> Void = {
      $0.status = .completed
      $0.replies = [JobReply(address: "here")]
    }
    try await withDamage(damage, change: end) {
      (fixture: StoreFixture, _: Job, good: Job) async throws in
      let pending = try await fixture.store.pendingReplies(after: 0, limit: 9).map(\.job.id)
      #expect(pending.contains(good.id))
      #expect(try await status(fixture) == .completed)
      // Repaired, or forgotten: it is found damaged once.
      let skipped = fixture.store.damage.skipped
      _ = try await fixture.store.pendingReplies(after: 0, limit: 9)
      #expect(fixture.store.damage.skipped == skipped)
    }
  }

  /// Lets nobody write the first job any more.
  private func lock(_ fixture: StoreFixture) async throws {
    try await fixture.store.writes.write { transaction in
      try transaction.db.execute(
        sql: """
          CREATE TRIGGER jobs_stay BEFORE UPDATE ON job WHEN old.number = 1
          BEGIN SELECT raise(ABORT, 'not this one'); END
          """)
    }
  }

  @Test(
    "that cannot even be written counts as not there, and holds up no change, deletion or lock",
    arguments: Damage.allCases)
  func unwritableChange(_ damage: Damage) async throws {
    try await withDamage(damage) { fixture, bad, good in
      try await lock(fixture)
      let results = try await fixture.store.apply(
        [bad, good, bad].map { JobCommand(.cancel(reason: nil), of: $0.id) }, at: .start)
      #expect(results.map { $0?.decision } == [nil, .done, nil])
      #expect(try await fixture.store.delete(bad.id, tenant: nil, at: .start) == .unknown)
      let answers = try await fixture.store.lock(
        [LockRequest(job: bad.id, attempt: 1, worker: worker, by: good.id)], at: .start)
      #expect(answers == [.refused(.fenced)])
      #expect(fixture.store.damage.setAside == 0)
      #expect(fixture.store.damage.skipped >= 3)
      #expect(fixture.log.transitions.allSatisfy { $0.to != .failed })
    }
  }

  @Test("that can be read, and does not take its change, is left out, with what follows from it")
  func refusedChange() async throws {
    try await withStore { fixture in
      let jobs = try (1...3).map { try sampleJob(id: JobID(UUID(number: $0))) }
      _ = try await fixture.store.insert(jobs)
      try await lock(fixture)
      let results = try await fixture.store.apply(
        [jobs[1], jobs[0], jobs[2]].map { JobCommand(.cancel(reason: nil), of: $0.id) },
        at: .start)
      #expect(results.map { $0?.decision } == [.done, nil, .done])
      #expect(fixture.store.damage.skipped == 1)
      #expect(try await fixture.store.job(jobs[0].id, tenant: nil)?.status == .waiting)
      #expect(fixture.log.transitions.filter { $0.to == .canceled }.count == 2)
      #expect(try await fixture.store.due().map(\.count) == [1])
    }
  }

  @Test("fails alone when what its attempt came to cannot be stored")
  func unstorableOutcome() async throws {
    try await withStore { fixture in
      let jobs = try (0..<3).map { _ in
        try sampleJob().with {
          $0.status = .running
          $0.attempt = 1
          $0.worker = worker
        }
      }
      _ = try await fixture.store.insert(jobs)
      try await fixture.store.writes.write { transaction in
        try transaction.db.execute(
          sql: """
            CREATE TRIGGER picky BEFORE UPDATE OF result ON payload WHEN old.number = 2
            BEGIN SELECT raise(ABORT, 'not this one'); END
            """)
      }
      let decisions = try await fixture.store.report(
        jobs.map {
          JobReport(
            job: $0.id, attempt: 1, worker: worker, content: .ended(.completed(result: 1)))
        }, chances: [0, 0, 0], at: .start)
      guard case .refused = decisions[1] else {
        Issue.record("\(decisions)")
        return
      }
      #expect([decisions[0], decisions[2]] == [.applied, .applied])
      let failed = try await fixture.store.job(jobs[1].id, tenant: nil)
      #expect(failed?.status == .failed)
      #expect(failed?.error?.contains("cannot be stored") == true)
      #expect(
        fixture.log.transitions.filter { $0.from == .running }.map(\.to)
          == [.completed, .failed, .completed])
    }
  }

  @Test("of which a count makes no sense harms neither lists nor counts")
  func senseless() async throws {
    try await withStore { fixture in
      let jobs = try (1...2).map { try sampleJob(id: JobID(UUID(number: $0))) }
      _ = try await fixture.store.insert(jobs)
      try await fixture.store.writes.write { transaction in
        try transaction.db.execute(
          sql: "UPDATE job SET attempt = 9223372036854775807 WHERE number = 1")
      }
      let page = try await fixture.store.list(JobQuery(order: JobOrder(.createdAt)))
      #expect(page.jobs.map(\.id) == [jobs[1].id])
      #expect(try await status(fixture) == .failed)
      #expect(try await fixture.store.due().map(\.count) == [1])
      let results = try await fixture.store.apply(
        jobs.map { JobCommand(.cancel(reason: nil), of: $0.id) }, at: .start)
      #expect(results.map { $0?.decision } == [nil, .done])
    }
  }

  @Test("of the catalog does not keep the server from starting")
  func catalog() async throws {
    try await withStore { fixture in
      let queue = JobQueue(name: .compute, capacity: 1)
      try await fixture.store.save(
        groups: [try JobGroup("files", queue: .compute)], types: [], queues: [queue])
      try await fixture.store.writes.write { transaction in
        try transaction.db.execute(
          sql: """
            INSERT INTO catalog_type VALUES ('files:x', '{"from": "a newer Warren"}');
            INSERT INTO catalog_queue VALUES ('no queue!', 1);
            """)
      }
      let catalog = try await fixture.store.catalog()
      #expect(catalog.queues == [queue])
      #expect(catalog.types.isEmpty)
      #expect(fixture.store.damage.skipped == 2)
    }
  }
}
