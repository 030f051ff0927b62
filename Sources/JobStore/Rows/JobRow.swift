import Foundation
import GRDB
import Jobs

/// How a job stands in its two tables. Columns are read by their place in ``columns``; every read goes through here.
enum JobRow {
  /// What ``decode(_:)`` reads, in its order, of `jobs j` and `job_payloads p`.
  private static let columns = """
    j.number, j.id, j.tenant_id, j.user_id, j.idempotency_key, j.type, j.queue, p.params, \
    j.timeout_ms, j.max_retries, j.retry_delay_ms, j.backoff, j.max_retry_delay_ms, j.jitter, \
    j.created_at, j.status, j.scheduled_at, j.updated_at, j.started_at, j.eta, j.locked_by, \
    j.progress, j.progress_details, j.details, j.retries, j.error, p.result, j.attempt, j.worker, \
    j.claim, j.lost_workers, j.ticket_issued
    """

  /// CROSS JOIN keeps the order in which the index gives the jobs.
  ///
  /// - Parameter snapshot: whether the job's snapshot is wanted, which may be large; only who changes a job needs it.
  static func select(index: String? = nil, snapshot: Bool = true) -> String {
    let hint = index.map { " INDEXED BY \($0)" } ?? ""
    return
      "SELECT \(columns), \(snapshot ? "p.snapshot" : "NULL"), p.reply, j.attempt_started_at FROM jobs j\(hint)"
      + " CROSS JOIN job_payloads p ON p.number = j.number"
  }

  /// What cannot be read of the payloads is replaced by something that says so, and named as the row's damage.
  ///
  /// - Throws: ``UnreadableRow`` when there is no telling which job it is, or where it belongs.
  static func decode(_ row: Row) throws -> StoredJob {
    let number = try row.decode(Int64.self, atIndex: 0)
    do {
      var damage: [String] = []
      let job = try decode(row, damage: &damage)
      return StoredJob(
        number: number, job: job,
        damage: damage.isEmpty
          ? nil : "stored data cannot be read: " + damage.joined(separator: "; "))
    } catch let error as StoreError {
      throw UnreadableRow(number: number, reason: error.description)
    } catch let error as RowDecodingError {
      throw UnreadableRow(number: number, reason: error.description)
    }
  }

  private static func decode(_ row: Row, damage: inout [String]) throws -> Job {
    let created = Timestamp(milliseconds: try row.decode(Int64.self, atIndex: 14))
    let backoff: Backoff =
      try readable(row, 11, "backoff", &damage) { try known("backoff", $0) } ?? .constant
    var job = Job(
      id: JobID(try row.decode(UUID.self, atIndex: 1)),
      tenantID: try row.decode(UUID.self, atIndex: 2),
      userID: try row.decode(UUID.self, atIndex: 3),
      idempotencyKey: try row.decode(UUID.self, atIndex: 4),
      type: try named("type") { try JobTypeID(row.decode(String.self, atIndex: 5)) },
      queue: try named("queue") { try JobQueueName(row.decode(String.self, atIndex: 6)) },
      params: try json(row, 7, "params", &damage) ?? [:],
      timeout: .milliseconds(try row.decode(Int64.self, atIndex: 8)),
      retry: RetryPolicy(
        maxRetries: try count(row, 9, "max_retries"),
        delay: .milliseconds(try row.decode(Int64.self, atIndex: 10)),
        backoff: backoff,
        maxDelay: .milliseconds(try row.decode(Int64.self, atIndex: 12)),
        jitter: try row.decode(Double.self, atIndex: 13)),
      scheduledAt: Timestamp(milliseconds: try row.decode(Int64.self, atIndex: 16)),
      createdAt: created)
    job.status = try known("status", row.decode(String.self, atIndex: 15))
    job.updatedAt = Timestamp(milliseconds: try row.decode(Int64.self, atIndex: 17))
    job.startedAt = try row.decode(Int64?.self, atIndex: 18).map(Timestamp.init(milliseconds:))
    job.eta = try row.decode(Int64?.self, atIndex: 19).map(Timestamp.init(milliseconds:))
    job.lockedBy = try row.decode(UUID?.self, atIndex: 20).map { JobID($0) }
    job.progress = try row.decode(Double.self, atIndex: 21)
    job.progressDetails = try row.decode(String.self, atIndex: 22)
    job.details = try row.decode(String.self, atIndex: 23)
    job.retries = try count(row, 24, "retries")
    job.error = try row.decode(String?.self, atIndex: 25)
    job.result = try json(row, 26, "result", &damage)
    job.attempt = try count(row, 27, "attempt")
    job.worker = try row.decode(String?.self, atIndex: 28).map(WorkerID.init(rawValue:))
    job.claim = try row.decode(UUID?.self, atIndex: 29)
    job.lostWorkers = try count(row, 30, "lost_workers")
    job.ticketIssued = try row.decode(Int.self, atIndex: 31) != 0
    job.snapshot = try json(row, 32, "snapshot", &damage)
    job.replies = try readable(row, 33, "reply", &damage, replies) ?? []
    job.attemptStartedAt = try row.decode(Int64?.self, atIndex: 34)
      .map(Timestamp.init(milliseconds:))
    return job
  }

  /// A number that is counted on from: one that no counting leads to would overflow.
  private static func count(_ row: Row, _ index: Int, _ column: String) throws -> Int {
    let count = try row.decode(Int.self, atIndex: index)
    guard (0...mostCount).contains(count) else {
      throw StoreError.corrupt("column \(column): \(count) is no count")
    }
    return count
  }

  /// Far more than what a submission can ask for.
  private static let mostCount = 1 << 53

  /// A column whose text means something only when it can be parsed: `nil` where there is none, or it cannot.
  private static func readable<Value>(
    _ row: Row, _ index: Int, _ column: String, _ damage: inout [String],
    _ parse: (String) throws -> Value
  ) throws -> Value? {
    guard let text = try row.decode(String?.self, atIndex: index) else { return nil }
    do {
      return try parse(text)
    } catch {
      damage.append("\(column): \(error)")
      return nil
    }
  }

  /// JSON that cannot be read is kept as the text that it is.
  private static func json(
    _ row: Row, _ index: Int, _ column: String, _ damage: inout [String]
  ) throws -> JSONValue? {
    guard let text = try row.decode(String?.self, atIndex: index) else { return nil }
    do {
      return try JSONValue(parsing: text.utf8)
    } catch {
      damage.append("\(column): \(error)")
      return ["unreadable": .string(text)]
    }
  }

  /// One address stands by itself, as it did before there could be several.
  private static func replies(_ text: String) throws -> [JobReply] {
    let value = try JSONValue(parsing: text.utf8)
    return value.kind == .array
      ? try value.decode(as: [JobReply].self) : [try value.decode(as: JobReply.self)]
  }

  static func fetchOne(_ statement: Statement, _ arguments: StatementArguments) throws -> StoredJob?
  {
    // The row reads from the statement, which is reset when its cursor goes.
    let rows = try Row.fetchCursor(statement, arguments: arguments)
    return try withExtendedLifetime(rows) { try rows.next().map(decode) }
  }

  /// A name as the column `column` holds it.
  static func named<Name>(_ column: String, _ read: () throws -> Name) throws -> Name {
    do {
      return try read()
    } catch let error as NameError {
      throw StoreError.corrupt("column \(column): \(error)")
    }
  }

  /// One of the cases that the column `column` may hold.
  static func known<Case: RawRepresentable<String>>(_ column: String, _ text: String) throws -> Case
  {
    guard let value = Case(rawValue: text) else {
      throw StoreError.corrupt("column \(column): '\(text)' is not known")
    }
    return value
  }
}
