package import Foundation
import GRDB
package import Jobs

extension SQLiteStore: AccessStore {
  package func add(_ token: APIToken, hash: Data) async throws(StoreError) -> Bool {
    try await writes.write { transaction in
      try transaction.execute(TokenRows.insert, TokenRows.values(token, hash: hash))
      return transaction.db.changesCount == 1
    }
  }

  package func token(hash: Data) async throws(StoreError) -> APIToken? {
    try await read { db in
      try Row.fetchOne(db.cachedStatement(sql: TokenRows.byHash), arguments: [hash])
        .map(TokenRows.decode)
    }
  }

  package func tokens(of tenant: UUID?, limit: Int) async throws(StoreError) -> [APIToken] {
    try await read { db in
      let rows =
        if let tenant {
          try Row.fetchAll(
            db.cachedStatement(sql: TokenRows.ofTenant), arguments: [tenant, limit])
        } else {
          try Row.fetchAll(db.cachedStatement(sql: TokenRows.all), arguments: [limit])
        }
      return try rows.map(TokenRows.decode)
    }
  }

  package func revokeToken(
    _ id: UUID, tenant: UUID?, at now: Timestamp
  ) async throws(StoreError) -> APIToken? {
    try await writes.write { transaction -> APIToken? in
      func fetch() throws -> APIToken? {
        try Row.fetchOne(transaction.statement(TokenRows.byID), arguments: [id])
          .map(TokenRows.decode)
      }
      guard let token = try fetch() else { return nil }
      if let tenant, token.tenant != .one(tenant) { return nil }
      try transaction.execute(
        TokenRows.revoke, [id.databaseValue, now.milliseconds.databaseValue])
      return try fetch()
    }
  }

  package func noteUse(of tokens: [UUID: Timestamp]) async throws(StoreError) {
    guard !tokens.isEmpty else { return }
    try await writes.write(weight: tokens.count) { transaction in
      for (id, time) in tokens {
        try transaction.execute(
          TokenRows.noteUse, [id.databaseValue, time.milliseconds.databaseValue])
      }
    }
  }

  package func append(_ entries: [AuditEntry]) async throws(StoreError) {
    guard !entries.isEmpty else { return }
    try await writes.write(weight: entries.count) { transaction in
      for entry in entries {
        try transaction.execute(AuditRows.insert, AuditRows.values(entry))
      }
    }
  }

  package func audit(_ query: AuditQuery) async throws(StoreError) -> [AuditEntry] {
    try await read { db in
      let (sql, values) = AuditRows.select(query)
      return try Row.fetchAll(
        db.makeStatement(sql: sql), arguments: StatementArguments(values)
      ).map(AuditRows.decode)
    }
  }

  package func pruneAudit(
    before time: Timestamp, limit: Int
  ) async throws(StoreError) -> Int {
    try await writes.write { transaction in
      try transaction.execute(
        AuditRows.prune, [time.milliseconds.databaseValue, max(0, limit).databaseValue])
      return transaction.db.changesCount
    }
  }
}
