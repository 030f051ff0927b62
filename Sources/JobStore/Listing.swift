import Foundation
import GRDB
import Jobs

/// A list of jobs: what is found is counted by the table of counts, and walked by an index, in the order of the jobs' numbers.
///
/// Jobs of the status that most have, *completed*, are walked by type; those of all others by status. A condition that the
/// index does not cover is looked up in the row. Which of two ways is taken, the counts decide.
struct Listing {
  private struct Count {
    let tenant: Int64
    let queue: Int64
    let type: Int64
    let code: Int
    let jobs: Int
  }

  private let query: JobQuery
  private let counts: [Count]
  private let tenant: Int64?
  private let type: Int64?
  private let queue: Int64?
  /// The types and queues that may be seen; `nil` for any.
  private let visible: (types: Set<Int64>?, queues: Set<Int64>?)
  private let codes: Set<Int>

  /// - Returns: `nil` when nothing can be found, since the tenant, type or queue is not known.
  init?(_ query: JobQuery, _ db: Database) throws {
    self.query = query
    codes = Set(query.statuses.flatMap(StatusCode.codes))
    func number(_ table: String, _ column: String, _ value: (any DatabaseValueConvertible)?) throws
      -> Int64??
    {
      guard let value else { return .some(nil) }
      let number = try Int64.fetchOne(
        db.cachedStatement(sql: "SELECT number FROM \(table) WHERE \(column) = ?"),
        arguments: [value])
      return number.map { .some($0) }
    }
    guard let tenant = try number("tenant", "id", query.tenant),
      let type = try number("type", "name", query.type?.description),
      let queue = try number("queue", "name", query.queue?.rawValue)
    else { return nil }
    (self.tenant, self.type, self.queue) = (tenant, type, queue)
    visible = (
      types: query.scope.types.isEmpty
        ? nil : try Self.numbers(of: "type", db) { try query.scope.contains(JobTypeID($0)) },
      queues: query.scope.queues.isEmpty
        ? nil : try Self.numbers(of: "queue", db) { try query.scope.contains(JobQueueName($0)) }
    )
    let rows = try Row.fetchAll(
      db,
      sql: tenant == nil
        ? "SELECT tenant, queue, type, status, jobs FROM job_count"
        : "SELECT tenant, queue, type, status, jobs FROM job_count WHERE tenant = ?",
      arguments: tenant.map { [$0] } ?? [])
    counts = try rows.map { row in
      Count(
        tenant: try row.decode(atIndex: 0), queue: try row.decode(atIndex: 1),
        type: try row.decode(atIndex: 2), code: try row.decode(atIndex: 3),
        jobs: try row.decode(atIndex: 4))
    }
  }

  /// The numbers of the names that are meant. What is no name belongs to jobs that nobody can read.
  private static func numbers(
    of table: String, _ db: Database, _ isMeant: (String) throws -> Bool
  ) throws -> Set<Int64> {
    let rows = try Row.fetchAll(
      db.cachedStatement(sql: "SELECT number, name FROM \(table)"))
    return Set(
      try rows.compactMap { row in
        let name = try row.decode(String.self, atIndex: 1)
        return (try? isMeant(name)) == true ? try row.decode(Int64.self, atIndex: 0) : nil
      })
  }

  private func isFound(_ count: Count) -> Bool {
    (type == nil || count.type == type) && (queue == nil || count.queue == queue)
      && (codes.isEmpty || codes.contains(count.code))
      && visible.types?.contains(count.type) != false
      && visible.queues?.contains(count.queue) != false
  }

  /// How many jobs the query finds.
  var total: Int { counts.filter(isFound).map(\.jobs).reduce(0, +) }

  func page(_ db: Database) throws -> (found: ReadJobs, next: JobCursor?) {
    guard query.order.field == .createdAt else { return (try sorted(db), nil) }
    let (after, offset) = try place()
    let numbers = try numbers(after: after, offset: offset, limit: query.pageSize + 1, db)
    let shown = try fitting(Array(numbers.prefix(query.pageSize)), db)
    let next = numbers.count > shown.count ? shown.last.flatMap { JobCursor(String($0)) } : nil
    return (try Self.jobs(shown, db), next)
  }

  private func place() throws -> (after: Int64?, offset: Int) {
    switch query.part {
    case .start: return (nil, 0)
    case .page(let page):
      let (offset, overflow) = (page - 1).multipliedReportingOverflow(by: query.pageSize)
      return (nil, overflow ? .max : offset)
    case .after(let cursor):
      guard let number = Int64(cursor.description), number > 0 else {
        throw StoreError.unfit("'\(cursor)' is no place in a list of jobs")
      }
      return (number, 0)
    }
  }

  func numbers(
    after: Int64?, offset: Int, limit: Int, _ db: Database
  ) throws -> [Int64] {
    guard offset < total else { return [] }
    let walk = walk(after: after)
    guard !walk.parts.isEmpty else { return [] }
    let direction = query.order.isDescending ? "DESC" : "ASC"
    let sql =
      walk.parts.joined(separator: " UNION ALL ") + " ORDER BY number \(direction) LIMIT ? OFFSET ?"
    // Not cached: the texts are as many as the combinations that clients ask for.
    return try Int64.fetchAll(
      db.makeStatement(sql: sql), arguments: StatementArguments(walk.values) + [limit, offset])
  }

  /// More parts than that are no statement any more.
  private static let mostParts = 200

  /// The parts of a compound select, each of which an index gives in the order of the numbers.
  func walk(after: Int64?) -> (parts: [String], values: [DatabaseValue]) {
    let found = counts.filter { isFound($0) && $0.jobs > 0 }
    var parts: [String] = []
    var values: [DatabaseValue] = []
    let limits = [("type", visible.types), ("queue", visible.queues)].compactMap {
      column, numbers in
      numbers.map { "\(column) IN (\($0.sorted().map(String.init).joined(separator: ", ")))" }
    }
    func add(_ index: String, _ conditions: [(String, DatabaseValue)], literal: String? = nil) {
      var conditions = conditions
      if let queue { conditions.append(("queue =", queue.databaseValue)) }
      if let after {
        let bound = after.databaseValue
        conditions.append((query.order.isDescending ? "number <" : "number >", bound))
      }
      let terms = conditions.map { "\($0.0) ?" } + (literal.map { [$0] } ?? []) + limits
      let filter = terms.isEmpty ? "" : " WHERE " + terms.joined(separator: " AND ")
      parts.append("SELECT number FROM job \(index)\(filter)")
      values += conditions.map(\.1)
    }
    let kinds = Set(found.map { Kind(tenant: $0.tenant, type: $0.type, code: $0.code) })
    for (index, conditions, literal) in plan(kinds) {
      add(index, conditions, literal: literal)
    }
    if parts.count > Self.mostParts || tenant == nil {
      // Everything, in its order; seldom, and slow where little of it is looked for.
      parts = []
      values = []
      var conditions: [(String, DatabaseValue)] = []
      if let tenant { conditions.append(("tenant =", tenant.databaseValue)) }
      if let type { conditions.append(("type =", type.databaseValue)) }
      let list = codes.sorted().map(String.init).joined(separator: ", ")
      add("NOT INDEXED", conditions, literal: codes.isEmpty ? nil : "status IN (\(list))")
    }
    return (parts, values)
  }

  private struct Kind: Hashable {
    let tenant: Int64
    let type: Int64
    let code: Int
  }

  /// An index, the conditions on a part of it, and what else the text has to say.
  private typealias Part = (index: String, conditions: [(String, DatabaseValue)], literal: String?)

  private func plan(_ kinds: Set<Kind>) -> [Part] {
    guard let tenant else { return [] }
    let own = ("tenant =", tenant.databaseValue)
    func byType(_ types: Set<Int64>, _ code: Int? = nil) -> [Part] {
      types.sorted().map { type in
        let status = code.map { [("status =", $0.databaseValue)] } ?? []
        return ("INDEXED BY job_list", [own, ("type =", type.databaseValue)] + status, nil)
      }
    }
    guard !codes.isEmpty else { return byType(Set(kinds.map(\.type))) }
    return Set(kinds.map(\.code)).sorted().flatMap { code -> [Part] in
      let types = Set(kinds.filter { $0.code == code }.map(\.type))
      let ofTypes = jobs { types.contains($0.type) }
      if code == StatusCode.completed || type != nil && ofTypes < jobs({ $0.code == code }) {
        return byType(types, code)
      }
      let ofType = type.map { [("type =", $0.databaseValue)] } ?? []
      // The index' own condition has to be there word for word.
      return [
        ("INDEXED BY job_open", [own, ("status =", code.databaseValue)] + ofType, "status <> 12")
      ]
    }
  }

  private func jobs(_ condition: (Count) -> Bool) -> Int {
    counts.filter(condition).map(\.jobs).reduce(0, +)
  }

  // MARK: Other orders

  private struct Place {
    let number: Int64
    let id: JobID
    let scheduledAt: Int64
    let updatedAt: Int64
    let startedAt: Int64
    let status: String
    let type: String
    let queue: String
  }

  static let places = """
    SELECT j.number, j.id, j.scheduled_at, j.updated_at, j.started_at, j.status, y.name, q.name
    FROM json_each(?) n CROSS JOIN job j ON j.number = n.value
      CROSS JOIN type y ON y.number = j.type CROSS JOIN queue q ON q.number = j.queue
    """

  private func sorted(_ db: Database) throws -> ReadJobs {
    if case .after = query.part {
      throw StoreError.unfit(
        "a list that is ordered by \(query.order.field.rawValue) has no cursors; order it by"
          + " created_at, or ask for pages")
    }
    guard total <= JobQuery.mostToSort else {
      throw StoreError.unfit(
        "\(total) jobs are too many to be ordered by \(query.order.field.rawValue);"
          + " \(JobQuery.mostToSort) can be: narrow the list, or order it by created_at")
    }
    let all = try numbers(after: nil, offset: 0, limit: JobQuery.mostToSort, db)
    var places: [Place] = []
    let rows = try Row.fetchCursor(
      db.cachedStatement(sql: Self.places), arguments: StatementArguments([all.json]))
    while let row = try rows.next() {
      places.append(
        Place(
          number: try row.decode(atIndex: 0), id: JobID(try row.decode(atIndex: 1)),
          scheduledAt: try row.decode(atIndex: 2), updatedAt: try row.decode(atIndex: 3),
          startedAt: try row.decode(Int64?.self, atIndex: 4) ?? .min,
          status: StatusCode.status(try row.decode(atIndex: 5))?.rawValue ?? "",
          type: try row.decode(atIndex: 6), queue: try row.decode(atIndex: 7)))
    }
    places.sort { isBefore($0, $1) }
    if query.order.isDescending { places.reverse() }
    let (_, offset) = try place()
    let shown = places.dropFirst(offset).prefix(query.pageSize).map(\.number)
    return try Self.jobs(try fitting(Array(shown), db), db)
  }

  static let sizes = """
    SELECT coalesce(length(p.params), 0) + coalesce(length(p.result), 0)
    FROM json_each(?) n LEFT JOIN payload p ON p.number = n.value
    """

  /// What of a part is not too much to be shown at once.
  private func fitting(_ numbers: [Int64], _ db: Database) throws -> [Int64] {
    let sizes = try Int.fetchAll(
      db.cachedStatement(sql: Self.sizes), arguments: StatementArguments([numbers.json]))
    return Array(numbers.prefix(try query.shown(of: sizes)))
  }

  private func isBefore(_ left: Place, _ right: Place) -> Bool {
    switch query.order.field {
    case .id: (left.id, left.number) < (right.id, right.number)
    case .createdAt: left.number < right.number
    case .scheduledAt: (left.scheduledAt, left.number) < (right.scheduledAt, right.number)
    case .updatedAt: (left.updatedAt, left.number) < (right.updatedAt, right.number)
    case .startedAt: (left.startedAt, left.number) < (right.startedAt, right.number)
    case .status:
      (left.status, left.scheduledAt, left.number) < (right.status, right.scheduledAt, right.number)
    case .type: (left.type, left.number) < (right.type, right.number)
    case .queue: (left.queue, left.number) < (right.queue, right.number)
    }
  }

  // MARK: Jobs

  static func jobs(_ numbers: [Int64], _ db: Database) throws -> ReadJobs {
    var found = ReadJobs()
    guard !numbers.isEmpty else { return found }
    let rows = try Row.fetchCursor(
      db.cachedStatement(sql: StoredJob.byNumbers), arguments: StatementArguments([numbers.json]))
    while let row = try rows.next() {
      try found.add(includesDamaged: true) { try StoredJob.decode(row) }
    }
    return found
  }
}

/// What else is asked for by the server.
enum Lookups {
  static let between = """
    SELECT number FROM job INDEXED BY job_between
    WHERE status IN (0, 2) AND status = ? AND id > ? ORDER BY id LIMIT ?
    """
  static let inStatuses = """
    SELECT number FROM job INDEXED BY job_id
    WHERE id > ? AND status IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?
    """
  static let heldBy = """
    SELECT number FROM job INDEXED BY job_held
    WHERE status BETWEEN 3 AND 6 AND worker = ? AND id > ? ORDER BY id LIMIT ?
    """
  /// Sorted each time: what is held is no more than the workers have slots.
  static let silent = """
    SELECT j.id, j.attempt, w.name, j.status FROM job j INDEXED BY job_held
      CROSS JOIN worker w ON w.number = j.worker
    WHERE j.status BETWEEN 3 AND 6 AND j.updated_at <= ? AND j.id > ?
    ORDER BY j.id LIMIT ?
    """
  static let telling = """
    SELECT number FROM job INDEXED BY job_telling
    WHERE replies = 1 AND status BETWEEN 8 AND 12 AND number > ? ORDER BY number LIMIT ?
    """
  static let workers = """
    SELECT w.name FROM registered_worker r CROSS JOIN worker w ON w.number = r.worker
    """
}
