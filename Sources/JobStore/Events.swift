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

  static let page = """
    SELECT e.sequence, j.id, y.name, q.name, e.from_status, e.to_status, e.at, e.attempt, w.name, \
    e.reason, t.id, j.tenant, j.type, j.queue FROM event e
    \(tables) CROSS JOIN tenant t ON t.number = j.tenant
    WHERE e.sequence > ? ORDER BY e.sequence LIMIT ?
    """
  static let lastOfJob = "SELECT max(sequence) FROM event INDEXED BY event_job WHERE job = ?"
  static let newest = """
    SELECT max(coalesce((SELECT max(sequence) FROM event), 0),
      coalesce((SELECT number FROM high_water WHERE kind = \(HighWater.event)), 0))
    """
  static let noteRemoved = """
    INSERT INTO removed_event (tenant, sequence) VALUES (?, ?)
    ON CONFLICT DO UPDATE SET sequence = max(sequence, excluded.sequence)
    """
  static let removed = """
    SELECT t.id, r.sequence FROM removed_event r INDEXED BY removed_event_sequence
    CROSS JOIN tenant t ON t.number = r.tenant WHERE r.sequence > ?
    """

  /// What a filter's names are in the store. What the store has never met is not there: nothing matches it.
  private struct Numbers {
    let tenant: Set<Int64>?
    let types: Set<Int64>?
    let queues: Set<Int64>?
    let codes: Set<Int>?

    init(_ filter: EventFilter, _ db: Database) throws {
      func numbers<Name: DatabaseValueConvertible>(
        _ names: [Name], _ table: String, _ column: String
      ) throws -> Set<Int64>? {
        guard !names.isEmpty else { return nil }
        let statement = try db.cachedStatement(
          sql: "SELECT number FROM \(table) WHERE \(column) = ?")
        return Set(try names.compactMap { try Int64.fetchOne(statement, arguments: [$0]) })
      }
      tenant = try numbers(filter.tenant.map { [$0] } ?? [], "tenant", "id")
      types = try numbers(filter.types.map(\.description), "type", "name")
      queues = try numbers(filter.queues.map(\.rawValue), "queue", "name")
      codes = filter.statuses.isEmpty ? nil : Set(filter.statuses.map(StatusCode.code))
    }

    func match(_ row: Row) throws -> Bool {
      guard try codes?.contains(row.decode(Int.self, atIndex: 5)) != false else { return false }
      return try tenant?.contains(row.decode(atIndex: 11)) != false
        && types?.contains(row.decode(atIndex: 12)) != false
        && queues?.contains(row.decode(atIndex: 13)) != false
    }
  }

  static func fetchPage(
    after sequence: Int64, _ filter: EventFilter, limit: Int, _ db: Database,
    skipped: inout [String]
  ) throws -> EventPage {
    var page = EventPage(events: [], position: sequence, isEnd: true)
    let numbers = try Numbers(filter, db)
    var (count, bytes) = (0, 0)
    let rows = try Row.fetchCursor(
      db.cachedStatement(sql: Events.page), arguments: [sequence, max(0, limit)])
    while bytes < EventPage.mostBytes, let row = try rows.next() {
      count += 1
      page.position = try row.decode(atIndex: 0)
      try noting(&skipped) {
        guard try numbers.match(row), try isVisible(row, filter.scope) else { return }
        let logged = LoggedEvent(
          try decode(row), tenant: try row.decode(UUID.self, atIndex: 10))
        bytes += logged.bytes
        page.events.append(logged)
      }
    }
    page.isEnd = count < limit && bytes < EventPage.mostBytes
    // A few: one for each tenant that has lost any that are as new as that.
    for row in try Row.fetchAll(db.cachedStatement(sql: removed), arguments: [sequence]) {
      let tenant = try row.decode(UUID.self, atIndex: 0)
      guard filter.tenant == nil || filter.tenant == tenant else { continue }
      page.removed[tenant] = try row.decode(atIndex: 1)
    }
    return page
  }

  /// What cannot be read is left to whoever reads all of the row.
  private static func isVisible(_ row: Row, _ scope: JobScope) throws -> Bool {
    guard scope != .all else { return true }
    return scope.contains(
      try JobTypeID(row.decode(String.self, atIndex: 2)),
      in: try JobQueueName(row.decode(String.self, atIndex: 3)))
  }

  static func fetchAll(
    _ sql: String, _ values: [DatabaseValue], _ db: Database, skipped: inout [String]
  ) throws -> [JobEvent] {
    var events: [JobEvent] = []
    let rows = try Row.fetchCursor(
      db.cachedStatement(sql: sql), arguments: StatementArguments(values))
    while let row = try rows.next() {
      try noting(&skipped) { events.append(try decode(row)) }
    }
    return events
  }

  /// Reads a row, or notes why it cannot be read.
  private static func noting(_ skipped: inout [String], _ read: () throws -> Void) throws {
    do {
      try read()
    } catch let error as StoreError {
      skipped.append("a transition: \(error)")
    } catch let error as NameError {
      skipped.append("a transition: \(error)")
    } catch let error as RowDecodingError {
      skipped.append("a transition: \(error)")
    }
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
