import Foundation
import GRDB
import Jobs
import Testing

@testable import JobStore

/// One row that cannot be read keeps back no other, in whatever is read or changed in sets.
@Suite("A row that cannot be read", .timeLimit(.minutes(3))) struct UnreadableRowTests {
  /// Ways in which a foreign hand, or a fault, can leave a row.
  enum Damage: String, CaseIterable, Sendable {
    case params = "UPDATE job_payloads SET params = 'not json' WHERE number = 1"
    case backoff = "UPDATE jobs SET backoff = 'sideways' WHERE number = 1"
    case snapshot = "UPDATE job_payloads SET snapshot = '[' WHERE number = 1"
    case reply = "UPDATE job_payloads SET reply = '{}' WHERE number = 1"
    case type = "UPDATE jobs SET type = 'no type' WHERE number = 1"
    case queue = "UPDATE jobs SET queue = 'no queue!' WHERE number = 1"

    /// Whether it can still be told which job it is.
    var leavesTheJob: Bool { self != .type && self != .queue }
  }

  /// Two jobs in the same state, of which the first is damaged.
  private func withDamage(
    _ damage: Damage, change: (inout Job) -> Void = { _ in },
    _ body: (StoreFixture, _ bad: Job, _ good: Job) async throws -> Void
  ) async throws {
    try await withStore { fixture in
      let bad = try sampleJob(id: JobID(UUID(number: 1))).with(change)
      let good = try sampleJob(id: JobID(UUID(number: 2))).with(change)
      _ = try await fixture.store.insert([bad, good])
      try await fixture.store.writes.write { try $0.db.execute(sql: damage.rawValue) }
      try await body(fixture, bad, good)
    }
  }

  private func status(_ fixture: StoreFixture) async throws -> String? {
    try await fixture.store.read { db in
      try String.fetchOne(db, sql: "SELECT status FROM jobs WHERE number = 1")
    }
  }

  @Test("does not stop dispatch, and fails with the reason", arguments: Damage.allCases)
  func dispatch(_ damage: Damage) async throws {
    try await withDamage(damage) { fixture, bad, good in
      #expect(try await fixture.store.due(at: .start, limit: 1).map(\.id) == [good.id])
      #expect(try await status(fixture) == "failed")
      #expect(fixture.store.damage.setAside == 1)
      #expect(fixture.store.damage.skipped == 1)
      #expect(try await fixture.store.due(at: .start, limit: 9).map(\.id) == [good.id])
      #expect(fixture.store.damage.skipped == 1)
      guard damage.leavesTheJob else { return }
      let failed = try #require(try await fixture.store.job(bad.id))
      #expect(failed.status == .failed)
      #expect(failed.error?.contains(damage == .params ? "params" : "\(damage)") == true)
      let events = try await fixture.store.events(of: bad.id)
      #expect(events.map(\.to) == [.waiting, .failed])
      #expect(fixture.recorder.changes.last?.job.status == .failed)
    }
  }

  /// Snapshots are not read here.
  @Test(
    "does not stop recovery, nor look like its end",
    arguments: Damage.allCases.filter { $0 != .snapshot })
  func recovery(_ damage: Damage) async throws {
    let worker = WorkerID(rawValue: "w")
    let run: (inout Job) -> Void = {
      $0.status = .running
      $0.worker = worker
    }
    try await withDamage(damage, change: run) {
      (fixture: StoreFixture, _: Job, good: Job) async throws in
      #expect(
        try await fixture.store.jobs(heldBy: worker, after: nil, limit: 1).map(\.id) == [good.id])
      #expect(try await status(fixture) == "failed")
    }
    try await withDamage(damage, change: run) {
      (fixture: StoreFixture, _: Job, good: Job) async throws in
      #expect(
        try await fixture.store.jobs(in: [.running], after: nil, limit: 1).map(\.id) == [good.id])
      #expect(try await status(fixture) == "failed")
    }
  }

  @Test("does not stop a list, which shows what can be read of it", arguments: Damage.allCases)
  func list(_ damage: Damage) async throws {
    try await withDamage(damage) { fixture, bad, good in
      let page = try await fixture.store.list(JobQuery(order: JobOrder(.id)))
      #expect(page.total == 2)
      #expect(page.jobs.map(\.id) == (damage.leavesTheJob ? [bad.id, good.id] : [good.id]))
      if damage == .params { #expect(page.jobs.first?.params == ["unreadable": "not json"]) }
    }
  }

  @Test("does not keep the others of a change from being made", arguments: Damage.allCases)
  func update(_ damage: Damage) async throws {
    try await withDamage(damage) { fixture, bad, good in
      let decisions = try await fixture.store.update([bad.id, good.id]) { _, job in
        job.cancel(at: .start)
      }
      #expect(decisions == [damage.leavesTheJob ? .pointless : nil, .canceled])
      #expect(try await status(fixture) == "failed")
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
      let pending = try await fixture.store.pendingReplies(limit: 9).map(\.job.id)
      #expect(pending.contains(good.id))
      #expect(try await status(fixture) == "completed")
      // Repaired, or forgotten: it is found damaged once.
      let skipped = fixture.store.damage.skipped
      _ = try await fixture.store.pendingReplies(limit: 9)
      #expect(fixture.store.damage.skipped == skipped)
    }
  }

  /// Lets nobody write the first job any more.
  private func lock(_ fixture: StoreFixture) async throws {
    try await fixture.store.writes.write { scope in
      try scope.db.execute(
        sql: """
          CREATE TRIGGER jobs_stay BEFORE UPDATE ON jobs WHEN old.number = 1
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
      let decisions = try await fixture.store.update([bad.id, good.id, bad.id]) { _, job in
        job.cancel(at: .start)
      }
      #expect(decisions == [nil, .canceled, nil])
      #expect(try await fixture.store.delete(bad.id) == .unknown)
      let answers = try await fixture.store.lock(
        [LockRequest(job: bad.id, attempt: 1, worker: WorkerID(rawValue: "w"), by: good.id)],
        at: .start)
      #expect(answers == [.refused(.fenced)])
      #expect(fixture.store.damage.setAside == 0)
      #expect(fixture.store.damage.skipped >= 3)
      #expect(try await fixture.store.events(of: bad.id).map(\.to) == [.waiting])
      #expect(fixture.recorder.changes.allSatisfy { $0.job.status != .failed })
    }
  }

  @Test("that can be read, and does not take its change, is left out where that is wanted")
  func refusedChange() async throws {
    try await withStore { fixture in
      let jobs = try (1...3).map { try sampleJob(id: JobID(UUID(number: $0))) }
      _ = try await fixture.store.insert(jobs)
      try await lock(fixture)
      let ids = [jobs[1].id, jobs[0].id, jobs[2].id]
      await #expect(throws: StoreError.self) {
        _ = try await fixture.store.update(ids) { _, job in job.cancel(at: .start) }
      }
      let decisions = try await fixture.store.update(ids, leavingOut: true) { _, job in
        job.cancel(at: .start)
      }
      #expect(decisions == [.canceled, nil, .canceled])
      #expect(fixture.store.damage.skipped == 1)
      #expect(try await fixture.store.job(jobs[0].id)?.status == .waiting)
      #expect(try await fixture.store.events(of: jobs[0].id).map(\.to) == [.waiting])
      for job in jobs[1...] {
        #expect(try await fixture.store.events(of: job.id).map(\.to) == [.waiting, .canceled])
      }
      #expect(fixture.recorder.changes.filter { $0.job.status == .canceled }.count == 2)
    }
  }

  @Test("of which a count or the status makes no sense harms neither lists nor counts")
  func senseless() async throws {
    try await withStore { fixture in
      let jobs = try (1...3).map { try sampleJob(id: JobID(UUID(number: $0))) }
      _ = try await fixture.store.insert(jobs)
      try await fixture.store.writes.write { scope in
        try scope.db.execute(
          sql: """
            UPDATE jobs SET attempt = 9223372036854775807 WHERE number = 1;
            PRAGMA ignore_check_constraints = ON;
            UPDATE jobs SET status = 'weird' WHERE number = 2;
            PRAGMA ignore_check_constraints = OFF;
            """)
      }
      let page = try await fixture.store.list(JobQuery(order: JobOrder(.id)))
      #expect(page.jobs.map(\.id) == [jobs[2].id])
      #expect(try await fixture.store.counts().map(\.status).contains(.waiting))
      #expect(try await fixture.store.issuedCounts().isEmpty)
      #expect(try await fixture.store.due(at: .start, limit: 9).map(\.id) == [jobs[2].id])
      let decisions = try await fixture.store.update(jobs.map(\.id)) { _, job in
        job.cancel(at: .start)
      }
      #expect(decisions == [nil, nil, .canceled])
    }
  }

  @Test("that cannot even be written is left out and counted")
  func unwritable() async throws {
    try await withDamage(.params) { fixture, _, good in
      try await lock(fixture)
      #expect(try await fixture.store.due(at: .start, limit: 1).map(\.id) == [good.id])
      #expect(try await fixture.store.due(at: .start, limit: 1).map(\.id) == [good.id])
      #expect(try await status(fixture) == "waiting")
      #expect(fixture.store.damage == StoreDamage(setAside: 0, skipped: 2))
    }
  }

  @Test("of the catalog does not keep the server from starting")
  func catalog() async throws {
    try await withStore { fixture in
      let queue = JobQueue(name: .compute, capacity: 1)
      try await fixture.store.save(
        groups: [try JobGroup("files", queue: .compute)], types: [], queues: [queue])
      try await fixture.store.writes.write { scope in
        try scope.db.execute(
          sql: """
            INSERT INTO catalog_types VALUES ('files:x', '{"from": "a newer Warren"}');
            INSERT INTO catalog_queues VALUES ('no queue!', 1);
            """)
      }
      let catalog = try await fixture.store.catalog()
      #expect(catalog.queues == [queue])
      #expect(catalog.types.isEmpty)
      #expect(fixture.store.damage.skipped == 2)
    }
  }
}
