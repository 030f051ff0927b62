import GRDB
import Jobs

/// The SQL that finds the rows of one page, in order.
///
/// For each status there is a part that walks an index which is in the order asked for; SQLite merges the parts as it
/// reads them. So nothing is sorted and nothing is read beyond the page's end, whichever statuses are asked for. The
/// filters by type and queue look at each job on the way; the caller knows from the counts how many there are, and the
/// limit ends the walk at the last of them.
struct ListPlan {
  let sql: String
  let arguments: StatementArguments

  /// - Parameter statuses: the ones to look into, at least one.
  init(_ query: JobQuery, statuses: [JobStatus], limit: Int, offset: Int) {
    let column = query.order.field.column
    let index = (query.tenant == nil ? "jobs_by_" : "jobs_of_tenant_by_") + column
    var arguments: StatementArguments = []
    var parts: [String] = []
    for status in statuses {
      var part = "SELECT number, status, \(column) AS place FROM jobs INDEXED BY \(index) WHERE "
      if let tenant = query.tenant {
        part += "tenant_id = ? AND "
        arguments += [tenant]
      }
      part += "status = ?"
      arguments += [status.rawValue]
      if let type = query.type {
        part += " AND type = ?"
        arguments += [type.description]
      }
      if let queue = query.queue {
        part += " AND queue = ?"
        arguments += [queue.rawValue]
      }
      parts.append(part)
    }
    let direction = query.order.isDescending ? "DESC" : "ASC"
    let keys = query.order.field == .status ? ["status", "place", "number"] : ["place", "number"]
    sql =
      parts.joined(separator: " UNION ALL ") + " ORDER BY "
      + keys.map { "\($0) \(direction)" }.joined(separator: ", ") + " LIMIT ? OFFSET ?"
    self.arguments = arguments + [limit, offset]
  }

  func numbers(_ db: Database) throws -> [Int64] {
    // Not cached: the texts are as many as the combinations that clients ask for.
    try Int64.fetchAll(db.makeStatement(sql: sql), arguments: arguments)
  }
}

extension JobOrder.Field {
  /// The column that the index of this order holds after the status.
  fileprivate var column: String {
    self == .status ? JobOrder.Field.scheduledAt.rawValue : rawValue
  }
}
