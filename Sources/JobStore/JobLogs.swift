import Foundation
import GRDB
import Jobs

/// What jobs logged, a row for each set of lines that was reported.
enum JobLogs {
  static let newest = """
    SELECT last, attempt, position, lines, bytes FROM job_log INDEXED BY job_log_job WHERE job = ?
    ORDER BY last DESC LIMIT 1
    """
  static let insert = """
    INSERT INTO job_log (job, last, attempt, position, lines, bytes, body)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    """
  /// Sets that are older than as many lines, or bytes, as are kept of a job.
  static let prune = """
    DELETE FROM job_log WHERE job = ?1 AND (lines <= ?2 OR bytes < ?3)
    """
  static let owner = """
    SELECT j.number, t.id FROM job j LEFT JOIN tenant t ON t.number = j.tenant WHERE j.id = ?
    """
  static let ofJob = """
    SELECT last, attempt, body FROM job_log INDEXED BY job_log_job WHERE job = ? ORDER BY last
    """

  /// - Parameter skipped: takes what cannot be read.
  static func fetch(
    _ job: JobID, _ tenant: UUID?, after number: Int64, _ db: Database, skipped: inout [String]
  ) throws -> JobLog? {
    let owners = try Row.fetchCursor(db.cachedStatement(sql: owner), arguments: [job.uuid])
    let found = try withExtendedLifetime(owners) {
      try owners.next().map { row in
        (
          number: try row.decode(Int64.self, atIndex: 0),
          tenant: try? row.decode(UUID.self, atIndex: 1)
        )
      }
    }
    guard let found, tenant == nil || tenant == found.tenant else { return nil }
    let rows = try Row.fetchCursor(db.cachedStatement(sql: ofJob), arguments: [found.number])
    var lines: [JobLogLine] = []
    while let row = try rows.next() {
      let last = try row.decode(Int64.self, atIndex: 0)
      let attempt = try row.decode(Int.self, atIndex: 1)
      do {
        let body = try JSONDecoder().decode(
          [JobLogSet.Line].self, from: try row.decode(Data.self, atIndex: 2))
        lines += body.enumerated().map { index, line in
          JobLogLine(
            number: last - Int64(body.count - 1 - index), time: line.time, level: line.level,
            attempt: attempt, text: line.text)
        }
      } catch {
        skipped.append("lines of the log of job \(job): \(error)")
      }
    }
    return JobLog(of: lines, after: number)
  }
}

extension Transaction {
  /// Keeps lines of a job's log, and lets go what is older than is kept.
  func keep(_ set: JobLogSet, of job: Int64, attempt: Int) throws {
    var end = JobLogEnd()
    var (lines, bytes): (Int64, Int64) = (0, 0)
    let rows = try Row.fetchCursor(statement(JobLogs.newest), arguments: [job])
    try withExtendedLifetime(rows) {
      guard let row = try rows.next() else { return }
      end = JobLogEnd(
        number: try row.decode(atIndex: 0), attempt: try row.decode(atIndex: 1),
        position: try row.decode(atIndex: 2))
      lines = try row.decode(atIndex: 3)
      bytes = try row.decode(atIndex: 4)
    }
    let added = end.append(set, of: attempt).map {
      JobLogSet.Line(time: $0.time, level: $0.level, text: $0.text)
    }
    guard !added.isEmpty else { return }
    lines += Int64(added.count)
    bytes += Int64(added.reduce(0) { $0 + $1.text.utf8.count })
    try execute(
      JobLogs.insert,
      [
        job.databaseValue, end.number.databaseValue, attempt.databaseValue,
        end.position.databaseValue, lines.databaseValue, bytes.databaseValue,
        try JSONEncoder().encode(added).databaseValue,
      ])
    let (old, oldBytes) = (lines - Int64(JobLog.mostLines), bytes - Int64(JobLog.mostBytes))
    guard old > 0 || oldBytes > 0 else { return }
    try execute(
      JobLogs.prune, [job.databaseValue, old.databaseValue, oldBytes.databaseValue])
  }
}
