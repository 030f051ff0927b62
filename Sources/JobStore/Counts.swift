import Foundation
import GRDB
import Jobs

/// The table of counts: as many rows as there are combinations of tenant, queue, type and status.
enum Counts {
  static let change = """
    INSERT INTO job_count (tenant, queue, type, status, jobs) VALUES (?1, ?2, ?3, ?4, max(?5, 0))
    ON CONFLICT DO UPDATE SET jobs = jobs + ?5
    """
  static let removeEmpty = """
    DELETE FROM job_count WHERE tenant = ? AND queue = ? AND type = ? AND jobs = 0
    """

  static let due = """
    SELECT q.name, y.name, sum(c.jobs) AS total FROM job_count c
      CROSS JOIN queue q ON q.number = c.queue CROSS JOIN type y ON y.number = c.type
    WHERE c.status = 1 GROUP BY c.queue, c.type HAVING total > 0
    """

  static let byQueue = """
    SELECT q.name, iif(c.status = 14, 1, c.status) AS code, sum(c.jobs) AS total FROM job_count c
      CROSS JOIN queue q ON q.number = c.queue
    GROUP BY q.name, code HAVING total > 0
    """

  private static let kinds = """
    SELECT q.name, c.status, c.jobs, y.name FROM job_count c
      CROSS JOIN queue q ON q.number = c.queue CROSS JOIN type y ON y.number = c.type
    WHERE c.jobs > 0
    """
  static let kindsOfTenant = "\(kinds) AND c.tenant = (SELECT number FROM tenant WHERE id = ?)"

  static let held = """
    SELECT w.name, count(*) FROM job j INDEXED BY job_held
      CROSS JOIN worker w ON w.number = j.worker
    WHERE j.status BETWEEN 3 AND 6 GROUP BY j.worker
    """

  static func due(_ db: Database) throws -> [DueJobs] {
    var due: [DueJobs] = []
    let rows = try Row.fetchCursor(db.cachedStatement(sql: Self.due))
    while let row = try rows.next() {
      // The jobs of a name that cannot be one cannot be read either.
      guard let queue = try name(row, 0),
        let type = try? JobTypeID(row.decode(String.self, atIndex: 1))
      else { continue }
      due.append(DueJobs(queue: queue, type: type, count: try row.decode(atIndex: 2)))
    }
    return due.sorted { ($0.queue, $0.type) < ($1.queue, $1.type) }
  }

  static func byQueue(_ db: Database) throws -> [QueueCount] {
    var counts: [QueueCount] = []
    let rows = try Row.fetchCursor(db.cachedStatement(sql: byQueue))
    while let row = try rows.next() {
      let code = try row.decode(Int.self, atIndex: 1)
      guard let queue = try name(row, 0), let status = StatusCode.status(code) else { continue }
      counts.append(
        QueueCount(
          queue: queue, status: status, isLater: code == StatusCode.later,
          count: try row.decode(atIndex: 2)))
    }
    return sorted(counts)
  }

  /// - Parameters:
  ///   - tenant: only this tenant's; `nil` for everyone's.
  ///   - scope: only jobs that somebody may see.
  static func byQueue(
    _ tenant: UUID?, _ scope: JobScope, _ db: Database
  ) throws -> [QueueCount] {
    guard tenant != nil || scope != .all else { return try byQueue(db) }
    struct Kind: Hashable {
      let queue: JobQueueName
      let code: Int
    }
    var sums: [Kind: Int] = [:]
    let rows = try Row.fetchCursor(
      db.cachedStatement(sql: tenant == nil ? kinds : kindsOfTenant),
      arguments: tenant.map { [$0] } ?? [])
    while let row = try rows.next() {
      guard let queue = try name(row, 0),
        let type = try? JobTypeID(row.decode(String.self, atIndex: 3)),
        scope.contains(type, in: queue)
      else { continue }
      let kind = Kind(queue: queue, code: try row.decode(Int.self, atIndex: 1))
      sums[kind, default: 0] += try row.decode(Int.self, atIndex: 2)
    }
    return sorted(
      sums.compactMap { kind, count in
        StatusCode.status(kind.code).map {
          QueueCount(
            queue: kind.queue, status: $0, isLater: kind.code == StatusCode.later, count: count)
        }
      })
  }

  private static func sorted(_ counts: [QueueCount]) -> [QueueCount] {
    counts.sorted {
      ($0.queue, $0.status.rawValue, $0.isLater ? 1 : 0)
        < ($1.queue, $1.status.rawValue, $1.isLater ? 1 : 0)
    }
  }

  static func held(_ db: Database) throws -> [WorkerID: Int] {
    var counts: [WorkerID: Int] = [:]
    let rows = try Row.fetchCursor(db.cachedStatement(sql: held))
    while let row = try rows.next() {
      counts[WorkerID(rawValue: try row.decode(atIndex: 0))] = try row.decode(atIndex: 1)
    }
    return counts
  }

  private static func name(_ row: Row, _ index: Int) throws -> JobQueueName? {
    try? JobQueueName(row.decode(String.self, atIndex: index))
  }
}
