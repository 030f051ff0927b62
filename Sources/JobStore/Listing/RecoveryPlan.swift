import Foundation
import GRDB
import Jobs

/// The SQL that finds one batch of the jobs in some statuses, by id: a merge of the statuses, as in ``ListPlan``.
struct RecoveryPlan {
  let sql: String
  let arguments: StatementArguments

  /// - Parameter statuses: at least one.
  init(statuses: Set<JobStatus>, after id: JobID?, limit: Int) {
    var arguments: StatementArguments = []
    let parts = statuses.map(\.rawValue).sorted().map { status in
      arguments += [status, id?.uuid ?? .zero]
      // The id of zeros is an id like others: a first batch includes it.
      return "SELECT number, id FROM jobs INDEXED BY jobs_by_id WHERE status = ? AND id"
        + (id == nil ? " >= ?" : " > ?")
    }
    sql = parts.joined(separator: " UNION ALL ") + " ORDER BY id LIMIT ?"
    self.arguments = arguments + [limit]
  }

  func numbers(_ db: Database) throws -> [Int64] {
    try Int64.fetchAll(db.makeStatement(sql: sql), arguments: arguments)
  }
}
