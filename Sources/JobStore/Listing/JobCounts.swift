import Foundation
import GRDB
import Jobs

/// Reads the table of counts: as many rows as there are combinations of tenant, queue, type and status.
enum JobCounts {
  /// How many jobs a query finds, by status.
  static func byStatus(_ query: JobQuery, _ db: Database) throws -> [JobStatus: Int] {
    var conditions: [String] = []
    var arguments: StatementArguments = []
    if let tenant = query.tenant {
      conditions.append("tenant_id = ?")
      arguments += [tenant]
    }
    if let queue = query.queue {
      conditions.append("queue = ?")
      arguments += [queue.rawValue]
    }
    if let type = query.type {
      conditions.append("type = ?")
      arguments += [type.description]
    }
    let filter = conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")
    let statement = try db.cachedStatement(sql: "SELECT status, jobs FROM job_counts" + filter)
    var counts: [JobStatus: Int] = [:]
    let rows = try Row.fetchCursor(statement, arguments: arguments)
    while let row = try rows.next() {
      // A damaged row's jobs cannot be read either.
      guard let status = try JobStatus(rawValue: row.decode(String.self, atIndex: 0)) else {
        continue
      }
      guard query.statuses.isEmpty || query.statuses.contains(status) else { continue }
      counts[status, default: 0] += try row.decode(Int.self, atIndex: 1)
    }
    return counts.filter { $0.value > 0 }
  }

  /// How many jobs each queue has in each status, sorted by both; nothing where there are none.
  static func byQueue(_ db: Database) throws -> [QueueCount] {
    let statement = try db.cachedStatement(
      sql: """
        SELECT queue, status, sum(jobs) AS total FROM job_counts GROUP BY queue, status
        HAVING total > 0 ORDER BY queue, status
        """)
    var counts: [QueueCount] = []
    let rows = try Row.fetchCursor(statement)
    while let row = try rows.next() {
      guard let queue = try name(row, 0),
        let status = try JobStatus(rawValue: row.decode(String.self, atIndex: 1))
      else { continue }
      counts.append(
        QueueCount(
          queue: queue, status: status, count: try row.decode(Int.self, atIndex: 2)))
    }
    return counts
  }

  /// How many jobs of each queue wait for a time after `now`; walks an index of those that have no ticket yet.
  static func scheduled(after now: Timestamp, _ db: Database) throws -> [JobQueueName: Int] {
    let statement = try db.cachedStatement(sql: scheduledSQL)
    var counts: [JobQueueName: Int] = [:]
    let rows = try Row.fetchCursor(statement, arguments: [now.milliseconds])
    while let row = try rows.next() {
      guard let queue = try name(row, 0) else { continue }
      counts[queue] = try row.decode(Int.self, atIndex: 1)
    }
    return counts
  }

  /// How many waiting jobs of each queue have no ticket yet; walks the same index.
  static func unissued(_ db: Database) throws -> [JobQueueName: Int] {
    let statement = try db.cachedStatement(sql: unissuedSQL)
    var counts: [JobQueueName: Int] = [:]
    let rows = try Row.fetchCursor(statement)
    while let row = try rows.next() {
      guard let queue = try name(row, 0) else { continue }
      counts[queue] = try row.decode(Int.self, atIndex: 1)
    }
    return counts
  }

  /// How many jobs each worker holds; walks an index of those that are held.
  static func held(_ db: Database) throws -> [WorkerID: Int] {
    let statement = try db.cachedStatement(sql: heldSQL)
    var counts: [WorkerID: Int] = [:]
    let rows = try Row.fetchCursor(statement)
    while let row = try rows.next() {
      let worker = WorkerID(rawValue: try row.decode(String.self, atIndex: 0))
      counts[worker] = try row.decode(Int.self, atIndex: 1)
    }
    return counts
  }

  /// `nil` for a name that no queue can have: its jobs cannot be read either.
  private static func name(_ row: Row, _ index: Int) throws -> JobQueueName? {
    try? JobQueueName(row.decode(String.self, atIndex: index))
  }

  static let scheduledSQL = """
    SELECT queue, count(*) FROM jobs INDEXED BY jobs_due
    WHERE status = 'waiting' AND ticket_issued = 0 AND scheduled_at > ? GROUP BY queue
    """

  static let unissuedSQL = """
    SELECT queue, count(*) FROM jobs INDEXED BY jobs_due
    WHERE status = 'waiting' AND ticket_issued = 0 GROUP BY queue
    """

  static let heldSQL = """
    SELECT worker, count(*) FROM jobs INDEXED BY jobs_held
    WHERE status IN (\(heldStatuses)) AND worker IS NOT NULL GROUP BY worker
    """

  static let heldBySQL = """
    SELECT number FROM jobs INDEXED BY jobs_held
    WHERE worker = ? AND status IN (\(heldStatuses)) AND id > ? ORDER BY id LIMIT ?
    """

  /// The condition of the index `jobs_held`; a query must repeat it word for word.
  static let heldStatuses = JobStatus.allCases.filter(\.isHeld).map { "'\($0.rawValue)'" }
    .joined(separator: ", ")
}
