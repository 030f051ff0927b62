package import Foundation

/// Where tokens and the audit log are kept, beside the jobs. Only a store with a file has them: what has no API needs none.
package protocol AccessStore: Sendable {
  /// Stores a new token.
  ///
  /// - Parameter hash: the SHA-256 of what the client sends; the token itself is nowhere.
  /// - Returns: whether it was: another of the same tenant that is in use may have the name.
  func add(_ token: APIToken, hash: Data) async throws(StoreError) -> Bool

  /// The token that was stored with a hash, whether it is in use or not.
  func token(hash: Data) async throws(StoreError) -> APIToken?

  /// Tokens, the newest first.
  ///
  /// - Parameter tenant: only those of this tenant; `nil` for all that there are.
  func tokens(of tenant: UUID?, limit: Int) async throws(StoreError) -> [APIToken]

  /// Revokes a token; one that was revoked before is returned as it is.
  ///
  /// - Parameter tenant: only one of this tenant; `nil` for any.
  func revokeToken(
    _ id: UUID, tenant: UUID?, at now: Timestamp
  ) async throws(StoreError) -> APIToken?

  /// Notes when tokens were used last.
  func noteUse(of tokens: [UUID: Timestamp]) async throws(StoreError)

  /// Adds to the audit log, in one transaction.
  func append(_ entries: [AuditEntry]) async throws(StoreError)

  /// Reads the audit log, the newest entries first.
  func audit(_ query: AuditQuery) async throws(StoreError) -> [AuditEntry]

  /// Removes entries of the audit log that are older.
  ///
  /// - Returns: how many.
  func pruneAudit(before time: Timestamp, limit: Int) async throws(StoreError) -> Int
}

/// Which entries of the audit log are looked for. What is left out excludes nothing.
package struct AuditQuery: Sendable, Hashable {
  package var tenant: UUID?
  /// As it stands in the entries.
  package var principal: String?
  package var action: String?
  /// Only refusals, whose status is 400 or higher; or only what was done.
  package var isRefused: Bool?
  /// Only older ones, by their number.
  package var before: Int64?
  package var limit: Int

  package init(
    tenant: UUID? = nil, principal: String? = nil, action: String? = nil, isRefused: Bool? = nil,
    before: Int64? = nil, limit: Int
  ) {
    self.tenant = tenant
    self.principal = principal
    self.action = action
    self.isRefused = isRefused
    self.before = before
    self.limit = limit
  }
}
