import Foundation
import GRDB
import Jobs

/// Operations on many jobs: their rows, and which jobs come next.
enum Bulk {
  private static let columns = """
    id, tenant, key, request, status, matching, done, skipped, failed, failures, position, last, \
    created_at, updated_at, ended_at
    """
  static let byID = "SELECT \(columns) FROM operation WHERE id = ?"
  static let byKey = "SELECT \(columns) FROM operation WHERE tenant = ? AND key = ?"
  static let running = """
    SELECT \(columns) FROM operation INDEXED BY operation_running WHERE status = 0 ORDER BY number
    """
  static let list = """
    SELECT \(columns) FROM operation INDEXED BY operation_list
    WHERE tenant = ?1 AND (?2 IS NULL OR status = ?2)
    ORDER BY number DESC LIMIT ?3 OFFSET ?4
    """
  static let count = """
    SELECT count(*) FROM operation INDEXED BY operation_list
    WHERE tenant = ?1 AND (?2 IS NULL OR status = ?2)
    """
  static let countRunning = """
    SELECT count(*) FROM operation INDEXED BY operation_running WHERE status = 0 AND tenant = ?
    """
  static let insert = """
    INSERT INTO operation (\(columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    """
  static let update = """
    UPDATE operation SET status = ?2, done = ?3, skipped = ?4, failed = ?5, failures = ?6,
      position = ?7, updated_at = ?8, ended_at = ?9
    WHERE id = ?1
    """
  static let prune = """
    DELETE FROM operation WHERE number IN (
      SELECT number FROM operation INDEXED BY operation_ended
      WHERE ended_at IS NOT NULL AND ended_at <= ? ORDER BY ended_at LIMIT ?)
    """
  static let newest = "SELECT max(number) FROM job"
  static let candidates = """
    SELECT j.number, j.id, y.name, j.created_at
    FROM json_each(?) n CROSS JOIN job j ON j.number = n.value CROSS JOIN type y ON y.number = j.type
    """

  static func code(_ status: BulkOperation.Status) -> Int {
    switch status {
    case .running: 0
    case .completed: 1
    case .canceled: 2
    }
  }

  static func fetchAll(
    _ statement: Statement, _ arguments: [DatabaseValue], skipped: inout [String]
  ) throws -> [BulkOperation] {
    var operations: [BulkOperation] = []
    let rows = try Row.fetchCursor(statement, arguments: StatementArguments(arguments))
    while let row = try rows.next() {
      do {
        operations.append(try decode(row))
      } catch let error as StoreError {
        skipped.append("an operation: \(error)")
      } catch let error as JSONError {
        skipped.append("an operation: \(error)")
      } catch let error as RowDecodingError {
        skipped.append("an operation: \(error)")
      }
    }
    return operations
  }

  private static func decode(_ row: Row) throws -> BulkOperation {
    let code = try row.decode(Int.self, atIndex: 4)
    guard let status = BulkOperation.Status.allCases.first(where: { self.code($0) == code }) else {
      throw StoreError.corrupt("column status: \(code) is not known")
    }
    var operation = BulkOperation(
      id: try row.decode(UUID.self, atIndex: 0), tenantID: try row.decode(UUID.self, atIndex: 1),
      request: try JSONValue(parsing: row.decode(Data.self, atIndex: 3)).decode(
        as: BulkRequest.self),
      key: try row.decode(UUID?.self, atIndex: 2),
      survey: BulkSurvey(
        matching: try row.decode(Int.self, atIndex: 5), last: try row.decode(atIndex: 11)),
      createdAt: Timestamp(milliseconds: try row.decode(atIndex: 12)))
    operation.restore(
      status: status, done: try row.decode(Int.self, atIndex: 6),
      skipped: try row.decode(Int.self, atIndex: 7), failed: try row.decode(Int.self, atIndex: 8),
      failures: try row.decode(Data?.self, atIndex: 9).map {
        try JSONValue(parsing: $0).decode(as: [BulkOperation.Failure].self)
      } ?? [],
      position: try row.decode(atIndex: 10),
      updatedAt: Timestamp(milliseconds: try row.decode(atIndex: 13)),
      endedAt: try row.decode(Int64?.self, atIndex: 14).map(Timestamp.init(milliseconds:)))
    return operation
  }

  // MARK: Which jobs

  private static func listing(
    _ request: BulkRequest, _ tenant: UUID, _ db: Database
  ) throws -> Listing? {
    guard !request.statuses.isEmpty else { return nil }
    return try Listing(
      JobQuery(
        tenant: tenant, statuses: request.statuses, type: request.filter.type,
        queue: request.filter.queue, order: JobOrder(.createdAt), part: .start), db)
  }

  static func survey(
    _ request: BulkRequest, _ tenant: UUID, _ db: Database
  ) throws -> BulkSurvey {
    let last = try Int64.fetchOne(db.cachedStatement(sql: newest)) ?? 0
    guard let listing = try listing(request, tenant, db) else {
      return BulkSurvey(matching: 0, last: last)
    }
    let filter = request.filter
    guard filter.createdAfter != nil || filter.createdBefore != nil else {
      return BulkSurvey(matching: listing.total, last: last)
    }
    let walk = listing.walk(after: nil)
    guard !walk.parts.isEmpty else { return BulkSurvey(matching: 0, last: last) }
    let sql = """
      SELECT count(*) FROM (\(walk.parts.joined(separator: " UNION ALL "))) n
        CROSS JOIN job j ON j.number = n.number
      WHERE j.created_at >= ? AND j.created_at < ?
      """
    let count = try Int.fetchOne(
      db.makeStatement(sql: sql),
      arguments: StatementArguments(walk.values) + [
        filter.createdAfter?.milliseconds ?? .min, filter.createdBefore?.milliseconds ?? .max,
      ])
    return BulkSurvey(matching: count ?? 0, last: last)
  }

  /// How many jobs are looked at for the few that were accepted at the right time.
  private static let mostLookedAt = 5000

  static func candidates(
    of operation: BulkOperation, limit: Int, _ db: Database
  ) throws -> BulkPage {
    let request = operation.request
    guard let listing = try listing(request, operation.tenantID, db) else {
      return BulkPage(candidates: [], next: operation.last, isLast: true)
    }
    let isTimed = request.filter.createdAfter != nil || request.filter.createdBefore != nil
    let count = isTimed ? max(limit, mostLookedAt) : limit
    let found = try listing.numbers(after: operation.position, offset: 0, limit: count, db)
    let numbers = Array(found.prefix { $0 <= operation.last })
    var page = BulkPage(
      candidates: [], next: operation.last, isLast: found.count < count || numbers.count < count)
    if !page.isLast, let end = numbers.last { page.next = end }
    let rows = try Row.fetchCursor(
      db.cachedStatement(sql: candidates), arguments: StatementArguments([numbers.json]))
    while let row = try rows.next() {
      let number = try row.decode(Int64.self, atIndex: 0)
      do {
        let created = Timestamp(milliseconds: try row.decode(atIndex: 3))
        guard request.filter.isCreated(at: created) else { continue }
        page.candidates.append(
          BulkPage.Candidate(
            number: number, job: JobID(try row.decode(UUID.self, atIndex: 1)),
            type: try? JobTypeID(row.decode(String.self, atIndex: 2))))
      } catch is RowDecodingError {
        // It must not keep back the others.
        continue
      }
      guard page.candidates.count == limit, number != numbers.last else { continue }
      page.next = number
      page.isLast = false
      break
    }
    return page
  }
}

extension Transaction {
  func begin(_ operation: BulkOperation, mostRunning: Int) throws -> BulkInsertion {
    let tenant = operation.tenantID.databaseValue
    if let key = operation.key,
      let known = try Self.readable(statement(Bulk.byKey), [tenant, key.databaseValue])
    {
      return known.request == operation.request ? .repeated(known) : .conflict(known)
    }
    let running = try Int.fetchOne(
      statement(Bulk.countRunning), arguments: StatementArguments([tenant]))
    guard (running ?? 0) < mostRunning else { return .tooMany }
    try execute(
      Bulk.insert,
      [
        operation.id.databaseValue, tenant, operation.key?.databaseValue ?? .null,
        Job.text(try JSONValue(encoding: operation.request)),
        Bulk.code(operation.status).databaseValue, operation.matching.databaseValue,
        operation.done.databaseValue, operation.skipped.databaseValue,
        operation.failed.databaseValue, .null, operation.position.databaseValue,
        operation.last.databaseValue, operation.createdAt.milliseconds.databaseValue,
        operation.updatedAt.milliseconds.databaseValue, Job.optional(operation.endedAt),
      ])
    return .created(operation)
  }

  private static func readable(
    _ statement: Statement, _ values: [DatabaseValue]
  ) throws -> BulkOperation? {
    var skipped: [String] = []
    return try Bulk.fetchAll(statement, values, skipped: &skipped).first
  }

  private func operation(_ id: UUID) throws -> BulkOperation? {
    try Self.readable(statement(Bulk.byID), [id.databaseValue])
  }

  private func write(_ operation: BulkOperation) throws {
    try execute(
      Bulk.update,
      [
        operation.id.databaseValue, Bulk.code(operation.status).databaseValue,
        operation.done.databaseValue, operation.skipped.databaseValue,
        operation.failed.databaseValue,
        operation.failures.isEmpty
          ? .null : Job.text(try JSONValue(encoding: operation.failures)),
        operation.position.databaseValue, operation.updatedAt.milliseconds.databaseValue,
        Job.optional(operation.endedAt),
      ])
  }

  func cancelOperation(_ id: UUID, tenant: UUID, at now: Timestamp) throws -> BulkOperation? {
    guard var operation = try operation(id), operation.tenantID == tenant else { return nil }
    if operation.cancel(at: now) { try write(operation) }
    return operation
  }

  func advance(_ step: BulkStep, at now: Timestamp) throws -> BulkProgress? {
    guard var operation = try operation(step.operation), operation.status == .running,
      operation.position == step.from
    else { return nil }
    var told: [JobCommand.Result] = []
    var outcomes: [BulkOutcome] = []
    for item in step.items {
      let outcome = try unlessRefused("job \(item.job)") {
        try carryOut(item, of: operation, &told, at: now)
      }
      outcomes.append(outcome ?? .failed(item.job, "the store does not take the change"))
    }
    operation.note(outcomes, to: step.to, isLast: step.isLast, at: now)
    try write(operation)
    return BulkProgress(operation: operation, told: told)
  }

  private func carryOut(
    _ item: BulkStep.Item, of operation: BulkOperation, _ told: inout [JobCommand.Result],
    at now: Timestamp
  ) throws -> BulkOutcome {
    if case .settled(let outcome) = item.work { return outcome }
    // It was looked at before this transaction began.
    guard let stored = try load(item.job, at: now), stored.job.tenantID == operation.tenantID,
      operation.request.matches(stored.job)
    else { return .skipped }
    switch item.work {
    case .settled(let outcome): return outcome
    case .command(let action):
      var job = stored.job
      let decision = job.apply(action, at: now)
      let after = try write(stored, job, at: now)
      if case .tell = decision { told.append(JobCommand.Result(decision, after.job)) }
      return decision.outcome
    case .delete:
      guard case .deleted = try delete(stored, at: now) else { return .skipped }
      return .done
    case .insert(let new):
      let insertion = try insert([new], at: now).first
      return insertion?.outcome(of: item.job) ?? .skipped
    }
  }
}
