import Foundation
import GRDB
import Jobs
import Testing

@testable import JobStore

/// SQLite's own word on how it will run every query.
@Suite(.timeLimit(.minutes(3))) struct QueryPlanTests {
  private func plan(_ sql: String, _ arguments: StatementArguments, _ db: Database) throws
    -> [String]
  {
    try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN " + sql, arguments: arguments)
      .map { try $0.decode(String.self, forColumn: "detail") }
  }

  private func expectIndexed(_ plan: [String], _ sql: String) {
    #expect(!plan.isEmpty)
    for line in plan {
      #expect(!line.contains("SCAN"), "\(line) in \(sql)")
      #expect(!line.contains("TEMP B-TREE"), "\(line) in \(sql)")
    }
  }

  /// Each status, all of them, and many of the sets between.
  private var filters: [[JobStatus]] {
    var random = SeededGenerator(seed: 11)
    let some = (0..<20).map { _ in
      JobStatus.allCases.filter { _ in Bool.random(using: &random) }
    }
    return (JobStatus.allCases.map { [$0] } + [JobStatus.allCases] + some).filter { !$0.isEmpty }
  }

  @Test(arguments: JobOrder.Field.allCases)
  func everyListWalksAnIndexInOrder(_ field: JobOrder.Field) async throws {
    let queue = JobQueueName.compute
    let type = try JobTypeID("files:checksum")
    let filters = filters
    try await withStore { fixture in
      _ = try await fixture.store.insert([try sampleJob()])
      try await fixture.store.read { db in
        for statuses in filters {
          for descending in [false, true] {
            for tenant in [nil, UUID.zero] {
              for (type, queue) in [(nil, nil), (type, nil), (nil, queue), (type, queue)] {
                let query = JobQuery(
                  tenant: tenant, type: type, queue: queue,
                  order: JobOrder(field, descending: descending))
                let list = ListPlan(query, statuses: statuses, limit: 50, offset: 100)
                let lines = try plan(list.sql, list.arguments, db)
                expectIndexed(lines, list.sql)
                // Unless it has to look at the job, the walk reads nothing but the index.
                if type == nil, queue == nil {
                  #expect(
                    lines.filter { $0.contains("SEARCH") }.allSatisfy { $0.contains("COVERING") })
                }
              }
            }
          }
        }
      }
    }
  }

  @Test func soDoTheQueriesOfDispatchRecoveryAndTheLog() async throws {
    let filters = filters
    try await withStore { fixture in
      try await fixture.store.read { db in
        for excluded in [[], [JobQueueName.compute], [.compute, .download]] as [Set] {
          let queues = DispatchQueries.arguments(excluded)
          let due = DispatchQueries.due(except: excluded.count)
          expectIndexed(try plan(due, [0] + queues + [-1], db), due)
          let next = DispatchQueries.nextDue(except: excluded.count)
          expectIndexed(try plan(next, [0] + queues, db), next)
        }
        expectIndexed(try plan(PendingReplies.sql, [0, -1], db), PendingReplies.sql)
        // In the order of ids, of the few that are held: sorting them is all that it may cost.
        let held = try plan(HeldQueries.silent, [0, UUID.zero, 1], db)
        #expect(held.contains { $0.contains("USING INDEX jobs_held") }, "\(held)")
        for statuses in filters {
          let recovery = RecoveryPlan(statuses: Set(statuses), after: JobID(), limit: 50)
          expectIndexed(try plan(recovery.sql, recovery.arguments, db), recovery.sql)
        }
        expectIndexed(try plan(EventRow.selectAfter, [0, 1], db), EventRow.selectAfter)
        expectIndexed(try plan(EventRow.selectOfJob, [UUID.zero, 0, 1], db), EventRow.selectOfJob)
        for condition in ["j.id = ?", "j.number = ?"] {
          let sql = "\(JobRow.select()) WHERE \(condition)"
          expectIndexed(try plan(sql, [1], db), sql)
        }
      }
    }
  }

  /// These sum over what they find; what they must not do is read the jobs.
  @Test func countingReadsIndexesAndCountersOnly() async throws {
    try await withStore { fixture in
      try await fixture.store.read { db in
        let due = try plan(JobCounts.scheduledSQL, [0], db)
        #expect(due.contains { $0.contains("SEARCH jobs USING COVERING INDEX jobs_due") }, "\(due)")
        let held = try plan(JobCounts.heldSQL, [], db)
        #expect(held.contains { $0.contains("USING COVERING INDEX jobs_held") }, "\(held)")
        #expect(!held.contains { $0.contains("TEMP") }, "\(held)")
      }
    }
  }
}
