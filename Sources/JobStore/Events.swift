import Foundation
import GRDB
import Jobs

/// A row of the transition log.
struct EventRow: Sendable {
  let sequence: Int64
  let job: Int64
  let from: JobStatus?
  let to: JobStatus
  let at: Timestamp
  let attempt: Int
  let worker: Int64?
  let reason: String?

  /// Rows of one statement.
  private static let chunk = 32

  static func insert(_ rows: [EventRow], _ transaction: Transaction) throws {
    var rest = rows[...]
    while !rest.isEmpty {
      let part = rest.prefix(rest.count >= chunk ? chunk : 1)
      rest = rest.dropFirst(part.count)
      var values: [DatabaseValue] = []
      values.reserveCapacity(part.count * 8)
      for row in part {
        values.append(row.sequence.databaseValue)
        values.append(row.job.databaseValue)
        values.append(row.from.map { StatusCode.code($0).databaseValue } ?? .null)
        values.append(StatusCode.code(row.to).databaseValue)
        values.append(row.at.milliseconds.databaseValue)
        values.append(row.attempt.databaseValue)
        values.append(row.worker.map(\.databaseValue) ?? .null)
        values.append(row.reason.map { storable($0).databaseValue } ?? .null)
      }
      try transaction.execute(part.count == 1 ? insertOne : insertMany, values)
    }
  }

  static let insertOne = insert(1)
  static let insertMany = insert(chunk)

  private static func insert(_ count: Int) -> String {
    "INSERT INTO event (sequence, job, from_status, to_status, at, attempt, worker, reason) VALUES "
      + repeatElement("(?, ?, ?, ?, ?, ?, ?, ?)", count: count).joined(separator: ", ")
  }
}

/// What is asked of the log.
enum Events {
  private static let select = """
    SELECT e.sequence, j.id, y.name, q.name, e.from_status, e.to_status, e.at, e.attempt, w.name, \
    e.reason FROM event e
    """
  private static let tables = """
    CROSS JOIN job j ON j.number = e.job CROSS JOIN type y ON y.number = j.type \
    CROSS JOIN queue q ON q.number = j.queue LEFT JOIN worker w ON w.number = e.worker
    """
  static let after = """
    \(select) \(tables) WHERE e.sequence > ? ORDER BY e.sequence LIMIT ?
    """
  static let ofJob = """
    \(select) INDEXED BY event_job \(tables)
    WHERE e.job = (SELECT number FROM job WHERE id = ?) AND e.sequence > ?
    ORDER BY e.sequence LIMIT ?
    """

  static func fetchAll(
    _ sql: String, _ values: [DatabaseValue], _ db: Database, skipped: inout [String]
  ) throws -> [JobEvent] {
    var events: [JobEvent] = []
    let rows = try Row.fetchCursor(
      db.cachedStatement(sql: sql), arguments: StatementArguments(values))
    while let row = try rows.next() {
      do {
        events.append(try decode(row))
      } catch let error as StoreError {
        skipped.append("a transition: \(error)")
      } catch let error as NameError {
        skipped.append("a transition: \(error)")
      } catch let error as RowDecodingError {
        skipped.append("a transition: \(error)")
      }
    }
    return events
  }

  private static func decode(_ row: Row) throws -> JobEvent {
    JobEvent(
      sequence: try row.decode(Int64.self, atIndex: 0),
      job: JobID(try row.decode(UUID.self, atIndex: 1)),
      type: try JobTypeID(row.decode(String.self, atIndex: 2)),
      queue: try JobQueueName(row.decode(String.self, atIndex: 3)),
      from: try row.decode(Int?.self, atIndex: 4).map(status),
      to: try status(row.decode(Int.self, atIndex: 5)),
      at: Timestamp(milliseconds: try row.decode(Int64.self, atIndex: 6)),
      attempt: try row.decode(Int.self, atIndex: 7),
      worker: try row.decode(String?.self, atIndex: 8).map(WorkerID.init(rawValue:)),
      reason: try row.decode(String?.self, atIndex: 9))
  }

  private static func status(_ code: Int) throws -> JobStatus {
    guard let status = StatusCode.status(code) else {
      throw StoreError.corrupt("a status: \(code) is not known")
    }
    return status
  }
}
