import Foundation
import GRDB
import Jobs
import Testing

@testable import JobStore

/// SQLite's own word on how it will run a statement.
enum QueryPlan {
  /// The tables that have a row for each job, or more.
  private static let large = [
    "job", "j", "payload", "p", "event", "e", "tombstone", "job_log",
    "operation", "token", "audit",
  ]
  /// Indexes that have only what waits for something, in the order in which it is to be looked at.
  private static let queues = [
    "job_later", "job_held_back", "job_held", "job_between", "job_telling", "operation_running",
  ]

  static func expectIndexed(_ sql: String, sorts: Bool = false, _ db: Database) throws {
    // What is bound does not matter to the plan.
    let lines = try Row.fetchAll(
      db.makeStatement(sql: "EXPLAIN QUERY PLAN " + sql.replacing(/\?\d*/, with: "NULL"))
    ).map { try $0.decode(String.self, forColumn: "detail") }
    for line in lines {
      let words = line.split(separator: " ").map(String.init)
      if words.first == "SCAN", words.count > 1, large.contains(words[1]),
        !queues.contains(where: words.contains)
      {
        Issue.record("\(line) in \(sql)")
      }
      if !sorts, line.contains("TEMP B-TREE") { Issue.record("\(line) in \(sql)") }
    }
  }
}

@Suite(.timeLimit(.minutes(3))) struct QueryPlanTests {

  @Test func everyStatementWalksAnIndex() async throws {
    let statements =
      [
        StoredJob.byNumber, StoredJob.byID, StoredJob.byKey, StoredJob.byNumbers,
        Insertions.withKey, Insertions.withoutKey, Insertions.movedWithKey,
        Insertions.movedWithoutKey, Insertions.payload, Insertions.tombstone,
        Insertions.submitted, Changes.update, Changes.repairPayload, Changes.lockedBy,
        Changes.anyLock, Changes.lockLink, Claims.register, Claims.epoch, Claims.forget,
        Claims.held, Claims.candidates, Claims.start, Claims.assignments, Claims.ripe,
        Claims.promote, Claims.next, Reports.running, Reports.complete, Reports.result,
        EventRow.insertOne,
        EventRow.insertMany, Events.after, Events.ofJob, Events.page, Events.lastOfJob,
        Events.newest, Events.noteRemoved, Events.removed, Pruning.lastOfHistory, Counts.change,
        Lookups.between,
        Lookups.inStatuses, Lookups.heldBy, Lookups.telling, Lookups.workers, Listing.places,
        Listing.sizes,
        Catalogs.saveQueue, Catalogs.saveGroup, Catalogs.saveType, Health.touch, Pruning.next,
        Pruning.count, Pruning.due, Pruning.history, Pruning.tombstones, Pruning.countTombstones,
        Counts.removeEmpty, JobLogs.newest, JobLogs.insert, JobLogs.prune, JobLogs.owner,
        JobLogs.ofJob, Insertions.retry, Insertions.submittedByID, Bulk.byID, Bulk.byKey,
        Bulk.running, Bulk.list, Bulk.count, Bulk.countRunning, Bulk.insert, Bulk.update,
        Bulk.prune, Bulk.newest, Bulk.candidates, QuotaUsage.tenant, QuotaUsage.counts,
        QuotaUsage.holdBack, QuotaUsage.best, QuotaUsage.release, QuotaUsage.waitingTenants,
        Bulk.prune, Bulk.newest, Bulk.candidates, StoredJob.byIDOfTenant, StoredJob.kind,
        Counts.kindsOfTenant, TokenRows.byHash, TokenRows.byID, TokenRows.ofTenant,
        TokenRows.insert, TokenRows.revoke, TokenRows.noteUse, AuditRows.insert,
        AuditRows.prune,
      ] + Changes.removals + Pruning.removals
    // In an order that no index has, of what is no more than the workers have slots, or of names.
    let sorting = [Claims.granted, Lookups.silent, Counts.due, Counts.byQueue, Counts.held]
    try await withStore { fixture in
      try await fixture.store.writes.write { transaction in
        for sql in statements { try QueryPlan.expectIndexed(sql, transaction.db) }
        for sql in sorting { try QueryPlan.expectIndexed(sql, sorts: true, transaction.db) }
      }
    }
  }

  /// Looking up a key or an id of another tenant reads one index entry, or one row more, than one that there is not: never what the
  /// job holds, which would take the longer the larger it is.
  @Test func lookUpsOfOtherTenantsReadNoPayload() async throws {
    try await withStore { fixture in
      try await fixture.store.writes.write { transaction in
        for (sql, index) in [
          (StoredJob.byKey, "job_key"), (StoredJob.byIDOfTenant, "job_id"),
          (StoredJob.kind, "job_id"),
        ] {
          let lines = try Row.fetchAll(
            transaction.db.makeStatement(
              sql: "EXPLAIN QUERY PLAN " + sql.replacing(/\?\d*/, with: "1"))
          ).map { try $0.decode(String.self, forColumn: "detail") }
          let job = try #require(lines.firstIndex { $0.hasPrefix("SEARCH j ") })
          #expect(lines[job].contains(index), "\(lines)")
          // The job's row, and so its tenant, before all that is joined to it.
          let payload = lines.firstIndex { $0.hasPrefix("SEARCH p ") }
          #expect(payload.map { $0 > job } != false, "\(lines)")
        }
      }
    }
  }

  @Test func theAuditLogIsReadInOrder() async throws {
    try await withStore { fixture in
      try await fixture.store.writes.write { transaction in
        for tenant in [nil, UUID()] {
          for before in [nil, Int64(5)] {
            let query = AuditQuery(
              tenant: tenant, principal: "x", isRefused: true, before: before, limit: 9)
            let lines = try Row.fetchAll(
              transaction.db.makeStatement(
                sql: "EXPLAIN QUERY PLAN "
                  + AuditRows.select(query).sql.replacing("?", with: "NULL"))
            ).map { try $0.decode(String.self, forColumn: "detail") }
            #expect(!lines.contains { $0.contains("TEMP B-TREE") }, "\(lines)")
          }
        }
      }
    }
  }

  @Test func everyListWalksAnIndexInOrder() async throws {
    let (tenant, type) = (UUID.zero, try JobTypeID("files:checksum"))
    var random = SeededGenerator(seed: 11)
    let some = (0..<20).map { _ in
      Set(JobStatus.allCases.filter { _ in Bool.random(using: &random) })
    }
    let filters = [Set()] + JobStatus.allCases.map { [$0] } + some
    let jobs = try JobStatus.allCases.flatMap { status in
      try (0..<3).map { index in
        try sampleJob(type: ["files:checksum", "files:count", "mail:send"][index])
          .with { $0.status = status }
      }
    }
    try await withStore { fixture in
      _ = try await fixture.store.insert(jobs)
      try await fixture.store.writes.write { transaction in
        let db = transaction.db
        for statuses in filters {
          for (type, queue) in [(nil, nil), (type, nil), (nil, JobQueueName.compute)] {
            for isDescending in [false, true] {
              let query = JobQuery(
                tenant: tenant, statuses: statuses, type: type, queue: queue,
                order: JobOrder(.createdAt, descending: isDescending))
              let listing = try #require(try Listing(query, db))
              for after in [nil, 7] as [Int64?] {
                let walk = listing.walk(after: after)
                guard !walk.parts.isEmpty else { continue }
                let sql =
                  walk.parts.joined(separator: " UNION ALL ")
                  + " ORDER BY number \(isDescending ? "DESC" : "ASC") LIMIT 50"
                try QueryPlan.expectIndexed(sql, db)
              }
            }
          }
        }
      }
    }
  }

  /// The schema's text is frozen; what the code takes its numbers for has to stay as it is there.
  @Test func theCodesAreThoseOfTheSchema() {
    #expect(Schema.baseline.contains("PRAGMA application_id = \(Schema.applicationID);"))
    #expect(Schema.baseline.contains("WHERE status = \(StatusCode.due);"))
    #expect(Schema.baseline.contains("WHERE status = \(StatusCode.later);"))
    #expect(Schema.baseline.contains("WHERE status <> \(StatusCode.completed);"))
    let held = JobStatus.allCases.filter(\.isHeld).map(StatusCode.code).sorted()
    #expect(held == Array(3...6))
    #expect(Schema.baseline.contains("WHERE status BETWEEN 3 AND 6;"))
    let final = JobStatus.allCases.filter(\.isFinal).map(StatusCode.code).sorted()
    #expect(final == Array(8...12))
    #expect([JobStatus.initializing, .resuming].map(StatusCode.code) == [0, 2])
    for status in JobStatus.allCases {
      for code in StatusCode.codes(status) { #expect(StatusCode.status(code) == status) }
    }
  }
}
