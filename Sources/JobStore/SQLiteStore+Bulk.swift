package import Foundation
import GRDB
package import Jobs

extension SQLiteStore {
  package func survey(
    _ request: BulkRequest, tenant: UUID
  ) async throws(StoreError) -> BulkSurvey {
    try await read { try Bulk.survey(request, tenant, $0) }
  }

  package func begin(
    _ operation: BulkOperation, mostRunning: Int
  ) async throws(StoreError) -> BulkInsertion {
    try await writes.write { try $0.begin(operation, mostRunning: mostRunning) }
  }

  package func operation(
    _ id: UUID, tenant: UUID
  ) async throws(StoreError) -> BulkOperation? {
    let found = try await operations(Bulk.byID, [id.databaseValue]).first
    return found?.tenantID == tenant ? found : nil
  }

  package func operations(
    of tenant: UUID, status: BulkOperation.Status?, offset: Int, limit: Int
  ) async throws(StoreError) -> (operations: [BulkOperation], total: Int) {
    let kind = [tenant.databaseValue, status.map { Bulk.code($0).databaseValue } ?? .null]
    let total = try await read { db in
      try Int.fetchOne(
        db.cachedStatement(sql: Bulk.count), arguments: StatementArguments(kind)) ?? 0
    }
    let found = try await operations(
      Bulk.list, kind + [limit.databaseValue, offset.databaseValue])
    return (found, total)
  }

  package func runningOperations() async throws(StoreError) -> [BulkOperation] {
    try await operations(Bulk.running, [])
  }

  private func operations(
    _ sql: String, _ values: [DatabaseValue]
  ) async throws(StoreError) -> [BulkOperation] {
    let (found, skipped) = try await read { db in
      var skipped: [String] = []
      let found = try Bulk.fetchAll(
        db.cachedStatement(sql: sql), values, skipped: &skipped)
      return (found, skipped)
    }
    damageLog.noteSkipped(skipped)
    return found
  }

  package func candidates(
    of operation: BulkOperation, limit: Int
  ) async throws(StoreError) -> BulkPage {
    try await read { try Bulk.candidates(of: operation, limit: limit, $0) }
  }

  package func advance(
    _ step: BulkStep, at now: Timestamp
  ) async throws(StoreError) -> BulkProgress? {
    try await writes.write(weight: step.items.count + 1) { try $0.advance(step, at: now) }
  }

  package func cancelOperation(
    _ id: UUID, tenant: UUID, at now: Timestamp
  ) async throws(StoreError) -> BulkOperation? {
    try await writes.write { try $0.cancelOperation(id, tenant: tenant, at: now) }
  }

  package func pruneOperations(
    endedBy time: Timestamp, limit: Int
  ) async throws(StoreError) {
    try await writes.write { transaction in
      try transaction.execute(
        Bulk.prune, [time.milliseconds.databaseValue, limit.databaseValue])
    }
  }
}
