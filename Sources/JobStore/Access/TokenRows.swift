import Foundation
import GRDB
import Jobs

extension Schema {
  /// Who may use the API, and what operators did with it. `role` is 0 to 3 as in ``TokenRows``; a token without a tenant is one
  /// of all tenants. What the client sends is nowhere, only its SHA-256.
  static let access = """
    CREATE TABLE token (
      number INTEGER PRIMARY KEY,
      id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
      hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
      name TEXT NOT NULL,
      tenant BLOB CHECK (length(tenant) = 16),
      user BLOB CHECK (length(user) = 16),
      role INTEGER NOT NULL CHECK (role BETWEEN 0 AND 3),
      types TEXT NOT NULL,
      queues TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      created_by TEXT NOT NULL,
      expires_at INTEGER,
      revoked_at INTEGER,
      last_used_at INTEGER
    ) STRICT;
    CREATE UNIQUE INDEX token_name ON token (coalesce(tenant, x''), name) WHERE revoked_at IS NULL;
    CREATE INDEX token_tenant ON token (tenant);

    CREATE TABLE audit (
      number INTEGER PRIMARY KEY,
      at INTEGER NOT NULL,
      principal TEXT NOT NULL,
      tenant BLOB NOT NULL CHECK (length(tenant) = 16),
      user BLOB NOT NULL CHECK (length(user) = 16),
      role INTEGER NOT NULL CHECK (role BETWEEN 0 AND 3),
      action TEXT NOT NULL,
      target TEXT,
      params TEXT,
      status INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX audit_at ON audit (at);
    CREATE INDEX audit_tenant ON audit (tenant);
    """
}

/// The table of tokens.
enum TokenRows {
  private static let columns = """
    id, name, tenant, user, role, types, queues, created_at, created_by, expires_at, revoked_at, \
    last_used_at
    """
  static let byHash = "SELECT \(columns) FROM token WHERE hash = ?"
  static let byID = "SELECT \(columns) FROM token WHERE id = ?"
  static let all = "SELECT \(columns) FROM token ORDER BY number DESC LIMIT ?"
  static let ofTenant = """
    SELECT \(columns) FROM token INDEXED BY token_tenant WHERE tenant = ?
    ORDER BY number DESC LIMIT ?
    """
  static let insert = """
    INSERT INTO token (hash, \(columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING
    """
  static let revoke = "UPDATE token SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL"
  static let noteUse = """
    UPDATE token SET last_used_at = max(coalesce(last_used_at, 0), ?2) WHERE id = ?1
    """

  static func values(_ token: APIToken, hash: Data) -> [DatabaseValue] {
    [
      hash.databaseValue, token.id.databaseValue, storable(token.name).databaseValue,
      tenant(token.tenant)?.databaseValue ?? .null, token.user?.databaseValue ?? .null,
      code(token.role).databaseValue, text(token.types).databaseValue,
      text(token.queues).databaseValue, token.createdAt.milliseconds.databaseValue,
      storable(token.createdBy).databaseValue, Job.optional(token.expiresAt),
      Job.optional(token.revokedAt), Job.optional(token.lastUsedAt),
    ]
  }

  private static func tenant(_ access: TenantAccess) -> UUID? {
    switch access {
    case .one(let id): id
    case .every: nil
    }
  }

  /// Patterns have no spaces.
  private static func text(_ patterns: [NamePattern]) -> String {
    patterns.map(\.description).joined(separator: " ")
  }

  private static func patterns(_ text: String) throws -> [NamePattern] {
    try text.split(separator: " ").map { word in
      guard let pattern = NamePattern(String(word)) else {
        // Left out, it would give more than was meant.
        throw StoreError.corrupt("a token: '\(word)' is no pattern")
      }
      return pattern
    }
  }

  static func code(_ role: APIRole) -> Int {
    switch role {
    case .read: 0
    case .write: 1
    case .operate: 2
    case .admin: 3
    }
  }

  static func role(_ code: Int) throws -> APIRole {
    guard let role = APIRole.allCases.first(where: { self.code($0) == code }) else {
      throw StoreError.corrupt("column role: \(code) is not known")
    }
    return role
  }

  static func decode(_ row: Row) throws -> APIToken {
    func moment(_ index: Int) throws -> Timestamp? {
      try row.decode(Int64?.self, atIndex: index).map(Timestamp.init(milliseconds:))
    }
    return APIToken(
      id: try row.decode(UUID.self, atIndex: 0), name: try row.decode(String.self, atIndex: 1),
      tenant: try row.decode(UUID?.self, atIndex: 2).map { .one($0) } ?? .every,
      user: try row.decode(UUID?.self, atIndex: 3),
      role: try role(row.decode(Int.self, atIndex: 4)),
      types: try patterns(row.decode(String.self, atIndex: 5)),
      queues: try patterns(row.decode(String.self, atIndex: 6)),
      createdAt: Timestamp(milliseconds: try row.decode(Int64.self, atIndex: 7)),
      createdBy: try row.decode(String.self, atIndex: 8), expiresAt: try moment(9),
      revokedAt: try moment(10), lastUsedAt: try moment(11))
  }
}

/// The table of the audit log.
enum AuditRows {
  static let columns = "at, principal, tenant, user, role, action, target, params, status"
  static let insert = "INSERT INTO audit (\(columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
  static let prune = """
    DELETE FROM audit WHERE number IN (
      SELECT number FROM audit INDEXED BY audit_at WHERE at < ? ORDER BY at LIMIT ?)
    """

  static func values(_ entry: AuditEntry) -> [DatabaseValue] {
    [
      entry.at.milliseconds.databaseValue, storable(entry.principal).databaseValue,
      entry.tenantID.databaseValue, entry.userID.databaseValue,
      TokenRows.code(entry.role).databaseValue, storable(entry.action).databaseValue,
      entry.target.map { storable($0).databaseValue } ?? .null,
      entry.params.map { storable($0).databaseValue } ?? .null, entry.status.databaseValue,
    ]
  }

  static func select(_ query: AuditQuery) -> (sql: String, values: [DatabaseValue]) {
    var conditions: [(String, DatabaseValue)] = []
    if let tenant = query.tenant { conditions.append(("tenant = ?", tenant.databaseValue)) }
    if let before = query.before { conditions.append(("number < ?", before.databaseValue)) }
    if let who = query.principal { conditions.append(("principal = ?", who.databaseValue)) }
    if let action = query.action { conditions.append(("action = ?", action.databaseValue)) }
    if let isRefused = query.isRefused {
      conditions.append((isRefused ? "status >= ?" : "status < ?", 400.databaseValue))
    }
    let filter =
      conditions.isEmpty ? "" : " WHERE " + conditions.map(\.0).joined(separator: " AND ")
    let index = query.tenant == nil ? "NOT INDEXED" : "INDEXED BY audit_tenant"
    return (
      "SELECT number, \(columns) FROM audit \(index)\(filter) ORDER BY number DESC LIMIT ?",
      conditions.map(\.1) + [max(0, query.limit).databaseValue]
    )
  }

  static func decode(_ row: Row) throws -> AuditEntry {
    AuditEntry(
      number: try row.decode(Int64.self, atIndex: 0),
      at: Timestamp(milliseconds: try row.decode(Int64.self, atIndex: 1)),
      principal: try row.decode(String.self, atIndex: 2),
      tenantID: try row.decode(UUID.self, atIndex: 3),
      userID: try row.decode(UUID.self, atIndex: 4),
      role: try TokenRows.role(row.decode(Int.self, atIndex: 5)),
      action: try row.decode(String.self, atIndex: 6),
      target: try row.decode(String?.self, atIndex: 7),
      params: try row.decode(String?.self, atIndex: 8),
      status: try row.decode(Int.self, atIndex: 9))
  }
}
