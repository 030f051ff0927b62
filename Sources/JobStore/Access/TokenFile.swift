package import Foundation
import GRDB
package import Jobs

/// Tokens in a store's file, for whoever can write that file: the first token of a server has to come from somewhere. A server may
/// have the file open; it reads the tokens of others from there.
package struct TokenFile: Sendable {
  /// Who changed something, for the audit log.
  package static let principal = "the store's file"

  private let path: String

  /// Opens a store's file, and makes it or brings it up to date where no server has done so.
  ///
  /// - Throws: ``StoreFileError``, also for a file that an earlier server has open.
  package init(path: String) throws(StoreFileError) {
    self.path = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
    guard try !isCurrent() else { return }
    // With the lock, so that nobody else does it at the same time.
    let file = try StoreFile(path: self.path, options: StoreOptions())
    do throws(StoreError) {
      try file.close()
    } catch {
      throw .store(error)
    }
  }

  private func isCurrent() throws(StoreFileError) -> Bool {
    guard FileManager.default.fileExists(atPath: path) else { return false }
    return try access { db in
      try Int64.fetchOne(db, sql: "PRAGMA application_id") == Schema.applicationID
        && db.tableExists("token")
    }
  }

  /// - Returns: whether it was stored: another of the same tenant that is in use may have the name.
  package func add(_ token: APIToken, hash: Data) throws(StoreFileError) -> Bool {
    try access { db in
      var isAdded = false
      try db.inTransaction(.immediate) {
        try db.execute(
          sql: TokenRows.insert,
          arguments: StatementArguments(TokenRows.values(token, hash: hash)))
        isAdded = db.changesCount == 1
        if isAdded { try note(token, "POST /tokens", 201, at: token.createdAt, db) }
        return .commit
      }
      return isAdded
    }
  }

  /// All tokens, the newest first.
  package func tokens(limit: Int = 1000) throws(StoreFileError) -> [APIToken] {
    try access { db in
      try Row.fetchAll(db, sql: TokenRows.all, arguments: [limit]).map(TokenRows.decode)
    }
  }

  /// - Returns: `nil` where there is none of that id.
  package func revoke(_ id: UUID, at now: Timestamp) throws(StoreFileError) -> APIToken? {
    try access { db in
      try db.inTransaction(.immediate) {
        try db.execute(sql: TokenRows.revoke, arguments: [id, now.milliseconds])
        let isRevoked = db.changesCount == 1
        if isRevoked, let token = try token(id, db) {
          try note(token, "DELETE /tokens/{id}", 200, at: now, db)
        }
        return .commit
      }
      return try token(id, db)
    }
  }

  private func token(_ id: UUID, _ db: Database) throws -> APIToken? {
    try Row.fetchOne(db, sql: TokenRows.byID, arguments: [id]).map(TokenRows.decode)
  }

  /// Writes an entry of the audit log, as the server does of what is asked of it.
  private func note(
    _ token: APIToken, _ action: String, _ status: Int, at now: Timestamp, _ db: Database
  ) throws {
    let tenant: UUID =
      switch token.tenant {
      case .one(let id): id
      case .every: .zero
      }
    let entry = AuditEntry(
      at: now, principal: Self.principal, tenantID: tenant, userID: .zero, role: .admin,
      action: action, target: token.id.uuidString.lowercased(),
      params: "token \(token.name), role \(token.role.rawValue)", status: status)
    try db.execute(
      sql: AuditRows.insert, arguments: StatementArguments(AuditRows.values(entry)))
  }

  /// A connection for the length of one piece of work.
  private func access<Answer>(
    _ work: (Database) throws -> Answer
  ) throws(StoreFileError) -> Answer {
    do {
      var configuration = Configuration()
      configuration.busyMode = .timeout(5)
      configuration.label = "warren.tokens"
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      defer { try? queue.close() }
      return try queue.inDatabase { db in
        try db.execute(sql: "PRAGMA synchronous = FULL")
        return try work(db)
      }
    } catch {
      switch error {
      case DatabaseError.SQLITE_NOTADB: throw .notADatabase(path: path)
      case let error as StoreFileError: throw error
      default: throw .store(StoreError(error))
      }
    }
  }
}
