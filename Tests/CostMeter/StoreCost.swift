#if DEBUG
  import CAllocations
  import Foundation
  import GRDB
  @testable import JobStore
  import Jobs
  import Logging
  import Synchronization

  /// What a job costs the store: a batch is inserted, claimed, and reported as completed.
  final class StoreCost: Sendable {
    private let path: String
    private let store: SQLiteStore
    private let sql = Mutex(SQLCount())

    private struct SQLCount {
      var statements = 0
      var commits = 0
    }

    /// The parts of a job's life, in their order.
    private enum Step: String, CaseIterable {
      case insert, claim, report
    }

    /// What one step of a batch has cost.
    private struct Cost {
      var allocations: UInt64 = 0
      var statements = 0
      var commits = 0
      var walBytes = 0
    }

    static func measure(into figures: inout [String: Double]) async throws {
      let folder = FileManager.default.temporaryDirectory
        .appending(path: "warren-cost-\(UUID().uuidString.prefix(8))")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(at: folder) }
      try await measureAllocations(folder, &figures)
      try await measureSQL(folder, &figures)
    }

    private init(_ file: URL) async throws {
      path = file.path
      var logger = Logger(label: "cost")
      logger.logLevel = .critical
      store = try SQLiteStore(path: path, logger: logger) { _ in }
      _ = try await store.register(
        WorkerRegistration(worker: Work.worker, epoch: 1), at: Work.now)
      // A store that has some jobs, and has met the names.
      for _ in 0..<10 { _ = try await live(Work.batch) }
    }

    private static func measureAllocations(
      _ folder: URL, _ figures: inout [String: Double]
    ) async throws {
      let cost = try await StoreCost(folder.appending(path: "allocations.sqlite"))
      var fewest: [Step: UInt64] = [:]
      for _ in 0..<8 {
        for (step, spent) in try await cost.live(Work.batch) {
          fewest[step] = min(fewest[step] ?? .max, spent.allocations)
        }
      }
      for step in Step.allCases {
        figures["store.\(step).allocations"] = Double(fewest[step] ?? 0) / Double(Work.batch)
      }
      try cost.store.close()
    }

    private static func measureSQL(
      _ folder: URL, _ figures: inout [String: Double]
    ) async throws {
      let cost = try await StoreCost(folder.appending(path: "sql.sqlite"))
      try await cost.trace()
      for count in [10, Work.batch, 1000] {
        let spent = try await cost.live(count)
        for step in Step.allCases {
          figures["store.\(step).statements.of-\(count)"] =
            Double(spent[step]?.statements ?? 0) / Double(count)
        }
        guard count == Work.batch else { continue }
        for step in Step.allCases {
          figures["store.\(step).transactions-of-a-batch"] = Double(spent[step]?.commits ?? 0)
        }
        figures["store.wal-bytes"] =
          Double(spent.values.reduce(0) { $0 + $1.walBytes }) / Double(count)
      }
      try cost.store.close()
    }

    /// Counts what SQLite runs from now on.
    private func trace() async throws {
      try await store.writes.write { [self] transaction in
        transaction.db.trace { [self] event in
          guard case .statement(let statement) = event else { return }
          sql.withLock { sql in
            sql.statements += 1
            if statement.sql.hasPrefix("COMMIT") { sql.commits += 1 }
          }
        }
      }
    }

    /// Takes a batch through its life.
    private func live(_ count: Int) async throws -> [Step: Cost] {
      let jobs = try Work.jobs(count)
      let request = try Work.claim(count)
      var spent: [Step: Cost] = [:]
      let inserted = try await spend(on: .insert, &spent) {
        try await store.insert(jobs, at: Work.now)
      }
      let answers = try await spend(on: .claim, &spent) {
        try await store.claim([request], bytes: 8 << 20, at: Work.now)
      }
      let reports = answers[0].jobs.map(Work.completion)
      let chances = reports.map { _ in 0.5 }
      let decisions = try await spend(on: .report, &spent) {
        try await store.report(reports, chances: chances, at: Work.now)
      }
      guard inserted.count == count, decisions.count == count,
        decisions.allSatisfy({ $0 == .applied })
      else { throw Unmeasurable(what: "a batch of \(count) has not lived as it should") }
      return spent
    }

    private func spend<Answer>(
      on step: Step, _ spent: inout [Step: Cost], _ work: () async throws -> Answer
    ) async throws -> Answer {
      let wal = try walSize()
      let before = sql.withLock(\.self)
      let allocations = allocations_count()
      let answer = try await work()
      var cost = Cost(allocations: allocations_count() - allocations)
      let after = sql.withLock(\.self)
      cost.statements = after.statements - before.statements
      cost.commits = after.commits - before.commits
      cost.walBytes = try walSize() - wal
      // A checkpoint has it begin anew.
      guard cost.walBytes > 0 else { throw Unmeasurable(what: "the WAL has not grown") }
      spent[step] = cost
      return answer
    }

    /// Only what is written is added to it, until a checkpoint.
    private func walSize() throws -> Int {
      let attributes = try FileManager.default.attributesOfItem(atPath: path + "-wal")
      guard let size = attributes[.size] as? Int else { throw Unmeasurable(what: "no WAL") }
      return size
    }
  }
#endif
