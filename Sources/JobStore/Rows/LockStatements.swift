import Foundation
import GRDB
import Jobs

/// The statements that follow who is locked by whom.
struct LockStatements {
  private let db: Database

  init(_ db: Database) {
    self.db = db
  }

  /// Whether `job` may be locked by `other`; otherwise why not.
  func refusal(of job: Job, by other: JobID) throws -> LockError? {
    var chain = [job.id, other]
    while let last = chain.last, last != job.id {
      guard let link = try link(last), link.tenant == job.tenantID else {
        return chain.count == 2 ? .unknown(other) : nil
      }
      if chain.count == 2, link.status.isFinal { return .ended(other, link.status) }
      guard let next = link.lockedBy else { return nil }
      chain.append(next)
    }
    return .cycle(chain)
  }

  /// The jobs that are locked by this one.
  func locked(by job: JobID) throws -> [JobID] {
    try UUID.fetchAll(
      db.cachedStatement(sql: Self.selectLocked), arguments: [job.uuid]
    ).map { JobID($0) }
  }

  static let selectLocked = "SELECT id FROM jobs WHERE locked_by = ? ORDER BY id"

  private func link(
    _ id: JobID
  ) throws -> (tenant: UUID, status: JobStatus, lockedBy: JobID?)? {
    let rows = try Row.fetchCursor(
      db.cachedStatement(sql: "SELECT tenant_id, status, locked_by FROM jobs WHERE id = ?"),
      arguments: [id.uuid])
    return try withExtendedLifetime(rows) {
      try rows.next().map { row in
        (
          try row.decode(UUID.self, atIndex: 0),
          try JobRow.known("status", row.decode(String.self, atIndex: 1)),
          try row.decode(UUID?.self, atIndex: 2).map { JobID($0) }
        )
      }
    }
  }
}
