import Foundation
import GRDB
import Jobs
import Logging
import Synchronization

/// A row with its payload, read as a job.
struct StoredJob: Sendable {
  let number: Int64
  let job: Job
  /// As it is stored: due and later are one status.
  let code: Int
  let tenant: Int64
  let type: Int64
  let queue: Int64
  /// What of it cannot be read; the job has something else in its place.
  var damage: String?

  var countKey: CountKey { CountKey(tenant: tenant, queue: queue, type: type, code: code) }

  // MARK: Reading

  private static let columns = """
    j.number, j.id, t.id, j.user, j.key, y.name, q.name, p.params, j.timeout, j.max_retries, \
    j.retry_delay, j.backoff, j.max_retry_delay, j.jitter, j.created_at, j.status, j.scheduled_at, \
    j.updated_at, j.started_at, j.eta, j.locked_by, j.progress, j.progress_details, j.details, \
    j.retries, j.error, p.result, j.attempt, w.name, j.claim, j.lost_workers, p.snapshot, \
    p.replies, j.attempt_started_at, j.priority, j.shared, j.tenant, j.type, j.queue, j.worker, \
    p.context, j.retry_of, p.webhooks
    """

  private static let tables = """
    JOIN tenant t ON t.number = j.tenant JOIN type y ON y.number = j.type \
    JOIN queue q ON q.number = j.queue LEFT JOIN worker w ON w.number = j.worker \
    LEFT JOIN payload p ON p.number = j.number
    """

  static let byNumber = "SELECT \(columns) FROM job j \(tables) WHERE j.number = ?"
  static let byID = "SELECT \(columns) FROM job j \(tables) WHERE j.id = ?"
  /// Of that tenant alone: what is another's is not read, so that it takes no longer than what is not there.
  static let byIDOfTenant = """
    SELECT \(columns) FROM job j \(tables)
    WHERE j.id = ? AND j.tenant = (SELECT number FROM tenant WHERE id = ?)
    """
  static let kind = """
    SELECT y.name, q.name FROM job j LEFT JOIN type y ON y.number = j.type
      LEFT JOIN queue q ON q.number = j.queue
    WHERE j.id = ? AND j.tenant = (SELECT number FROM tenant WHERE id = ?)
    """
  static let byKey = "SELECT \(columns) FROM job j \(tables) WHERE j.tenant = ? AND j.key = ?"
  /// Any number of them, without the snapshot, which nobody is shown.
  static let byNumbers =
    "SELECT \(columns.replacing("p.snapshot", with: "NULL")) FROM json_each(?) n"
    + " CROSS JOIN job j ON j.number = n.value \(tables)"

  static func fetchOne(_ statement: Statement, _ values: [DatabaseValue]) throws -> StoredJob? {
    // The row reads from the statement, which is reset when its cursor goes.
    let rows = try Row.fetchCursor(statement, arguments: StatementArguments(values))
    return try withExtendedLifetime(rows) { try rows.next().map(decode) }
  }

  /// - Throws: ``UnreadableRow`` when not even the job can be told.
  static func decode(_ row: Row) throws -> StoredJob {
    let number = try row.decode(Int64.self, atIndex: 0)
    do {
      var damage: [String] = []
      let code = try row.decode(Int.self, atIndex: 15)
      let job = try job(row, code, &damage)
      return StoredJob(
        number: number, job: job, code: code, tenant: try row.decode(Int64.self, atIndex: 36),
        type: try row.decode(Int64.self, atIndex: 37),
        queue: try row.decode(Int64.self, atIndex: 38),
        damage: damage.isEmpty
          ? nil : "stored data cannot be read: " + damage.joined(separator: "; "))
    } catch let error as StoreError {
      throw UnreadableRow(number: number, reason: error.description)
    } catch let error as RowDecodingError {
      throw UnreadableRow(number: number, reason: error.description)
    }
  }

  private static func job(_ row: Row, _ code: Int, _ damage: inout [String]) throws -> Job {
    guard let status = StatusCode.status(code) else {
      throw StoreError.corrupt("column status: \(code) is not known")
    }
    let id = JobID(try row.decode(UUID.self, atIndex: 1))
    var backoff = StatusCode.backoff(try row.decode(Int.self, atIndex: 11))
    if backoff == nil {
      damage.append("backoff: not known")
      backoff = .constant
    }
    var job = Job(
      id: id, tenantID: try row.decode(UUID.self, atIndex: 2),
      userID: try row.decode(UUID?.self, atIndex: 3) ?? .zero,
      idempotencyKey: try row.decode(UUID?.self, atIndex: 4) ?? id.uuid,
      type: try named("type") { try JobTypeID(row.decode(String.self, atIndex: 5)) },
      queue: try named("queue") { try JobQueueName(row.decode(String.self, atIndex: 6)) },
      params: try params(row, &damage),
      timeout: .milliseconds(try row.decode(Int64.self, atIndex: 8)),
      retry: RetryPolicy(
        maxRetries: try count(row, 9, "max_retries"),
        delay: .milliseconds(try row.decode(Int64.self, atIndex: 10)),
        backoff: backoff ?? .constant,
        maxDelay: .milliseconds(try row.decode(Int64.self, atIndex: 12)),
        jitter: try row.decode(Double.self, atIndex: 13)),
      priority: try row.decode(Int.self, atIndex: 34),
      context: try context(row, &damage),
      scheduledAt: Timestamp(milliseconds: try row.decode(Int64.self, atIndex: 16)),
      createdAt: Timestamp(milliseconds: try row.decode(Int64.self, atIndex: 14)))
    job.status = status
    job.updatedAt = Timestamp(milliseconds: try row.decode(Int64.self, atIndex: 17))
    job.startedAt = try time(row, 18)
    job.eta = try time(row, 19)
    job.lockedBy = try row.decode(UUID?.self, atIndex: 20).map { JobID($0) }
    job.progress = try row.decode(Double.self, atIndex: 21)
    job.progressDetails = try row.decode(String?.self, atIndex: 22) ?? ""
    job.details = try row.decode(String?.self, atIndex: 23) ?? ""
    job.retries = try count(row, 24, "retries")
    job.error = try row.decode(String?.self, atIndex: 25)
    job.result = try json(row, 26, "result", &damage)
    job.attempt = try count(row, 27, "attempt")
    job.worker = try row.decode(String?.self, atIndex: 28).map(WorkerID.init(rawValue:))
    if job.worker == nil, try row.decode(Int64?.self, atIndex: 39) != nil {
      throw StoreError.corrupt("column worker: its name is missing")
    }
    job.claim = try row.decode(UUID?.self, atIndex: 29)
    job.lostWorkers = try count(row, 30, "lost_workers")
    job.snapshot = try json(row, 31, "snapshot", &damage)
    job.replies = try replies(row, &damage)
    job.attemptStartedAt = try time(row, 33)
    job.isShared = try row.decode(Int.self, atIndex: 35) != 0
    job.retryOf = try row.decode(UUID?.self, atIndex: 41).map { JobID($0) }
    if let names = try row.decode(String?.self, atIndex: 42) {
      job.webhooks = names.split(separator: ",").map(String.init)
    }
    return job
  }

  private static func time(_ row: Row, _ index: Int) throws -> Timestamp? {
    try row.decode(Int64?.self, atIndex: index).map(Timestamp.init(milliseconds:))
  }

  /// Counts are added to: one near the largest number would end the process.
  private static func count(_ row: Row, _ index: Int, _ column: String) throws -> Int {
    let count = try row.decode(Int.self, atIndex: index)
    guard (0...(1 << 53)).contains(count) else {
      throw StoreError.corrupt("column \(column): \(count) is no count")
    }
    return count
  }

  private static func params(_ row: Row, _ damage: inout [String]) throws -> JSONValue {
    if let params = try json(row, 7, "params", &damage) { return params }
    damage.append("params: they are missing")
    return [:]
  }

  private static func context(
    _ row: Row, _ damage: inout [String]
  ) throws -> [String: String] {
    let bytes = try row.decode(Data?.self, atIndex: 40)
    do throws(StoreError) {
      return try Job.context(bytes)
    } catch {
      damage.append("\(error)")
      return [:]
    }
  }

  private static func json(
    _ row: Row, _ index: Int, _ column: String, _ damage: inout [String]
  ) throws -> JSONValue? {
    guard let bytes = try row.decode(Data?.self, atIndex: index) else { return nil }
    do {
      return try JSONValue(parsing: bytes)
    } catch {
      damage.append("\(column): \(error)")
      return ["unreadable": .string(String(decoding: bytes, as: UTF8.self))]
    }
  }

  private static func replies(_ row: Row, _ damage: inout [String]) throws -> [JobReply] {
    guard let bytes = try row.decode(Data?.self, atIndex: 32) else { return [] }
    do {
      return try JSONValue(parsing: bytes).decode(as: [JobReply].self)
    } catch {
      damage.append("replies: \(error)")
      return []
    }
  }

  private static func named<Name>(_ column: String, _ read: () throws -> Name) throws -> Name {
    do {
      return try read()
    } catch let error as NameError {
      throw StoreError.corrupt("column \(column): \(error)")
    }
  }
}

/// The values of a job's columns.
extension Job {
  static func text(_ value: JSONValue) -> DatabaseValue { Data(value.utf8).databaseValue }

  static func text(_ context: [String: String]) -> DatabaseValue {
    context.isEmpty ? .null : text(.object(context.mapValues(JSONValue.string)))
  }

  /// The column's value, read.
  static func context(_ bytes: Data?) throws(StoreError) -> [String: String] {
    guard let bytes else { return [:] }
    do throws(JSONError) {
      return try JSONValue(parsing: bytes).decode(as: [String: String].self)
    } catch {
      throw .corrupt("context: \(error)")
    }
  }

  static func text(_ replies: [JobReply]) throws -> DatabaseValue {
    replies.isEmpty ? .null : text(try JSONValue(encoding: replies))
  }

  static func text(_ value: String) -> DatabaseValue {
    value.isEmpty ? .null : storable(value).databaseValue
  }

  static func optional(_ time: Timestamp?) -> DatabaseValue {
    (time?.milliseconds).databaseValue
  }
}

extension Int64? {
  fileprivate var databaseValue: DatabaseValue { map(\.databaseValue) ?? .null }
}

/// What is read for somebody: the jobs, and the rows that cannot be read.
struct ReadJobs: Sendable {
  private(set) var jobs: [Job] = []
  private(set) var damaged: [UnreadableRow] = []

  /// - Parameter includesDamaged: whether a job of which a part cannot be read is shown with something in its place.
  @discardableResult
  mutating func add(includesDamaged: Bool, _ read: () throws -> StoredJob?) throws -> Job? {
    let stored: StoredJob?
    do {
      stored = try read()
    } catch let row as UnreadableRow {
      damaged.append(row)
      return nil
    }
    guard let stored else { return nil }
    if let damage = stored.damage {
      damaged.append(UnreadableRow(number: stored.number, reason: damage))
      guard includesDamaged else { return nil }
    }
    jobs.append(stored.job)
    return stored.job
  }
}

/// Counts and logs the rows that cannot be read.
final class DamageLog: Sendable {
  private let counts = Mutex(StoreDamage())
  private let logger: Logger

  init(logger: Logger) {
    self.logger = logger
  }

  var damage: StoreDamage { counts.withLock { $0 } }

  func noteSetAside(_ rows: [UnreadableRow]) {
    guard let first = rows.first else { return }
    counts.withLock { $0.setAside += rows.count }
    logger.error(
      "rows of the status store could not be read; their jobs have failed",
      metadata: ["count": "\(rows.count)", "row": "\(first.number)", "reason": "\(first.reason)"])
  }

  func noteNotSetAside(_ error: StoreError) {
    logger.warning(
      "rows that cannot be read could not be taken out of the way",
      metadata: ["error": "\(error)"])
  }

  func noteSkipped(_ reasons: [String]) {
    guard let first = reasons.first else { return }
    counts.withLock { $0.skipped += reasons.count }
    logger.warning(
      "rows of the status store cannot be read and are left out",
      metadata: ["count": "\(reasons.count)", "first": "\(first)"])
  }
}

/// A row of which not even the job can be told.
struct UnreadableRow: Error, Sendable, CustomStringConvertible {
  let number: Int64
  let reason: String
  var description: String { "row \(number): \(reason)" }
}
