import Foundation
import GRDB
import Jobs
import Testing

@testable import JobStore

/// What the SQLite file is like when jobs are pruned.
@Suite("Pruning a SQLite store", .timeLimit(.minutes(3))) struct PruningTests {
  private func ended(
    _ count: Int, type: String = "files:checksum", tenant: UUID = .zero, size: Int = 1
  ) throws -> [Job] {
    try (0..<count).map { _ in
      try sampleJob(
        tenant: tenant, type: type, params: ["path": .string(String(repeating: "x", count: size))]
      ).with { $0.status = .completed }
    }
  }

  private let late = Timestamp.start + 31 * 86_400_000

  private func prune(_ fixture: StoreFixture, limit: Int = 100) async throws -> Pruned {
    try await fixture.store.prune(RetentionPolicy(), at: late, limit: limit)
  }

  private func rows(_ table: String, _ fixture: StoreFixture) async throws -> Int {
    try await fixture.store.writes.write { transaction in
      try Int.fetchOne(transaction.db, sql: "SELECT count(*) FROM \(table)") ?? -1
    }
  }

  @Test("leaves nothing of them, not even empty counts")
  func nothingIsLeft() async throws {
    try await withStore { fixture in
      let jobs = try ended(3) + ended(2, type: "mail:send", tenant: UUID(number: 1))
      _ = try await fixture.store.insert(jobs)
      #expect(try await prune(fixture).total == 5)
      for table in ["job", "payload", "event", "tombstone", "job_count"] {
        #expect(try await rows(table, fixture) == 0, "\(table)")
      }
    }
  }

  @Test("keeps the counts of what is there beside them")
  func otherCounts() async throws {
    try await withStore { fixture in
      _ = try await fixture.store.insert(try ended(2) + [sampleJob()])
      #expect(try await prune(fixture).total == 2)
      #expect(try await fixture.store.counts().map(\.count) == [1])
      #expect(try await fixture.store.due().map(\.count) == [1])
      #expect(try await rows("job_count", fixture) == 1)
    }
  }

  @Test("does not use the numbers of jobs and events again")
  func numbers() async throws {
    let folder = try TemporaryFolder()
    let first = try StoreFixture(folder)
    _ = try await first.store.insert(try ended(3))
    let last = try #require(try await first.store.events(after: 0, limit: 9).last).sequence
    #expect(try await prune(first).total == 3)
    try first.store.close()
    let second = try StoreFixture(folder)
    _ = try await second.store.insert([try sampleJob()])
    #expect(
      try await second.store.events(after: last, limit: 9).map(\.to) == [.waiting])
    try second.store.close()
  }

  @Test("takes fewer at once where they are large")
  func largeJobs() async throws {
    try await withStore { fixture in
      _ = try await fixture.store.insert(try ended(5, size: Pruning.bytes / 2 - 1000))
      var taken: [Int] = []
      var pruned = Pruned(hasMore: true)
      while pruned.hasMore, taken.count < 9 {
        pruned = try await prune(fixture)
        taken.append(pruned.total)
      }
      #expect(taken == [2, 2, 1])
    }
  }

  @Test("takes fewer at once where they are large, of however many types")
  func largeTypes() async throws {
    try await withStore { fixture in
      for type in ["a:a", "b:b", "c:c"] {
        _ = try await fixture.store.insert(
          try ended(1, type: type, size: Pruning.bytes / 2 + 1000))
      }
      let first = try await prune(fixture)
      #expect(first.total == 2)
      #expect(first.hasMore)
      #expect(try await prune(fixture).total == 1)
    }
  }

  @Test("removes a very long history in parts, before its job")
  func longHistory() async throws {
    try await withStore { fixture in
      _ = try await fixture.store.insert(try ended(2))
      try await fixture.store.writes.write { transaction in
        try transaction.db.execute(
          sql: """
            WITH RECURSIVE n(i) AS (VALUES (100) UNION ALL SELECT i + 1 FROM n WHERE i < 20099)
            INSERT INTO event (sequence, job, to_status, at, attempt)
            SELECT i, 2, 1, 0, 0 FROM n
            """)
      }
      var jobs: [Int] = []
      var events: [Int] = []
      var pruned = Pruned(hasMore: true)
      while pruned.hasMore, jobs.count < 9 {
        pruned = try await prune(fixture)
        jobs.append(pruned.total)
        events.append(try await rows("event", fixture))
      }
      // The other job goes by itself; then two parts of the history; what is left goes with its job.
      #expect(jobs == [1, 0, 0, 1])
      #expect(events == [20_001, 10_002, 3, 0])
    }
  }

  @Test("goes on past rows that cannot be removed, of whatever type")
  func refusal() async throws {
    try await withStore { fixture in
      _ = try await fixture.store.insert(try ended(3) + ended(3, type: "mail:send"))
      try await fixture.store.writes.write { transaction in
        try transaction.db.execute(
          sql: """
            CREATE TRIGGER refuse BEFORE DELETE ON job WHEN old.number IN (1, 2)
            BEGIN SELECT raise(ABORT, 'no'); END
            """)
      }
      let pruned = try await prune(fixture)
      #expect(pruned.total == 4)
      #expect(!pruned.hasMore)
      #expect(fixture.store.damage.skipped == 2)
      // Where nothing else is left in a batch, the next type has its turn.
      _ = try await fixture.store.insert(try ended(3, type: "mail:send"))
      #expect(try await prune(fixture, limit: 2).total == 2)
      #expect(try await rows("job", fixture) == 3)
      #expect(try await rows("event", fixture) == 3)
    }
  }

  @Test("removes rows that cannot be read, and says that their type is not known")
  func unreadable() async throws {
    try await withStore { fixture in
      _ = try await fixture.store.insert(try ended(1) + ended(1, type: "mail:send"))
      try await fixture.store.writes.write { transaction in
        try transaction.db.execute(
          sql: """
            UPDATE type SET name = 'no type' WHERE name = 'mail:send';
            UPDATE payload SET params = CAST('not json' AS BLOB);
            """)
      }
      let expected = Pruned(jobs: [
        PruneCount(type: nil, status: .completed, count: 1),
        PruneCount(type: try JobTypeID("files:checksum"), status: .completed, count: 1),
      ])
      #expect(try await fixture.store.prunable(RetentionPolicy(), at: late) == expected)
      #expect(try await prune(fixture) == expected)
      #expect(try await rows("job", fixture) == 0)
    }
  }

  @Test("costs the same, however many jobs are there that are not due")
  func nothingIsDue() async throws {
    try await withStore { fixture in
      var statements: [[String]] = []
      for count in [1, 500] {
        _ = try await fixture.store.insert(try ended(count))
        statements.append(
          try await fixture.store.writes.write { transaction in
            var seen: [String] = []
            transaction.db.trace { seen.append($0.description) }
            defer { transaction.db.trace(nil) }
            let pruned = try transaction.prune(RetentionPolicy(), at: .start, limit: 100)
            #expect(pruned == Pruned())
            return seen
          })
      }
      #expect(statements[0] == statements[1])
      // One look for each final status, one more for the one type, and the tombstones.
      #expect(statements[0].count { $0.contains("INDEXED BY job_ended") } == 6)
      #expect(!statements[0].contains { $0.contains("DELETE FROM job") })
    }
  }
}
