import Foundation
import GRDB
import Jobs

/// Jobs that have ended, in the order of the index that has them by status, type and end. Those of whose end somebody has to
/// be told are not in it. So what is not due costs one look for each status and type, however many jobs there are.
enum Pruning {
  /// What one batch may remove, in bytes: to free pages, SQLite reads them.
  static let bytes = 8 << 20
  /// What one event counts as, with its place in the index.
  static let eventBytes = 100
  /// How many events go in one batch. Of a job that has more, some go before it does.
  static let events = 10_000

  /// The next type of a status, and when its first job ended.
  static let next = """
    SELECT type, updated_at FROM job INDEXED BY job_ended
    WHERE replies = 0 AND status BETWEEN 8 AND 12 AND status = ?1 AND type > ?2
    ORDER BY type, updated_at LIMIT 1
    """
  static let count = """
    SELECT count(*) FROM job INDEXED BY job_ended
    WHERE replies = 0 AND status BETWEEN 8 AND 12 AND status = ?1 AND type = ?2
      AND updated_at <= ?3
    """
  static let due = """
    SELECT j.number, j.id, j.tenant, j.queue,
      coalesce(length(p.params), 0) + coalesce(length(p.submitted), 0)
        + coalesce(length(p.result), 0) + coalesce(length(p.snapshot), 0)
        + coalesce((SELECT sum(length(body)) FROM job_log WHERE job = j.number), 0),
      (SELECT count(*) FROM (SELECT 1 FROM event WHERE job = j.number LIMIT \(events))),
      (SELECT max(sequence) FROM event WHERE job = j.number)
    FROM job j INDEXED BY job_ended LEFT JOIN payload p ON p.number = j.number
    WHERE j.replies = 0 AND j.status BETWEEN 8 AND 12 AND j.status = ?1 AND j.type = ?2
      AND j.updated_at <= ?3
    ORDER BY j.updated_at LIMIT ?4
    """
  static let removals = [
    "DELETE FROM event WHERE job IN (SELECT value FROM json_each(?))",
    "DELETE FROM job_log WHERE job IN (SELECT value FROM json_each(?))",
    "DELETE FROM payload WHERE number IN (SELECT value FROM json_each(?))",
    "DELETE FROM job WHERE number IN (SELECT value FROM json_each(?))",
  ]
  /// The oldest first, and never all: the newest number must not be forgotten.
  static let history = """
    DELETE FROM event WHERE sequence IN (
      SELECT sequence FROM event INDEXED BY event_job WHERE job = ? ORDER BY sequence
      LIMIT \(events - 1))
    """
  static let lastOfHistory = """
    SELECT max(sequence) FROM (
      SELECT sequence FROM event INDEXED BY event_job WHERE job = ? ORDER BY sequence
      LIMIT \(events - 1))
    """
  static let tombstones = """
    DELETE FROM tombstone WHERE id IN (
      SELECT id FROM tombstone INDEXED BY tombstone_age WHERE deleted_at <= ?
      ORDER BY deleted_at LIMIT ?)
    """
  static let countTombstones = """
    SELECT count(*) FROM tombstone INDEXED BY tombstone_age WHERE deleted_at <= ?
    """

  /// Jobs of one status and type that are due.
  struct Kind {
    let status: JobStatus
    let type: Int64
    /// `nil` where it cannot be read.
    let name: JobTypeID?
    /// Jobs that ended by then are not kept any longer.
    let deadline: Timestamp

    var arguments: [DatabaseValue] {
      [
        StatusCode.code(status).databaseValue, type.databaseValue,
        deadline.milliseconds.databaseValue,
      ]
    }
  }

  /// Whatever has due jobs.
  static func kinds(
    _ policy: RetentionPolicy, at now: Timestamp, _ db: Database
  ) throws -> [Kind] {
    var kinds: [Kind] = []
    for status in RetentionPolicy.statuses {
      var last = Int64.min
      while let (type, oldest) = try next(status, after: last, db) {
        last = type
        let name = try name(of: type, db)
        guard let age = policy.age(of: status, type: name) else { continue }
        let deadline = now + (.zero - age)
        guard oldest <= deadline else { continue }
        kinds.append(Kind(status: status, type: type, name: name, deadline: deadline))
      }
    }
    return kinds
  }

  private static func next(
    _ status: JobStatus, after type: Int64, _ db: Database
  ) throws -> (type: Int64, oldest: Timestamp)? {
    let rows = try Row.fetchCursor(
      db.cachedStatement(sql: next), arguments: [StatusCode.code(status), type])
    return try withExtendedLifetime(rows) {
      try rows.next().map { row in
        (try row.decode(atIndex: 0), Timestamp(milliseconds: try row.decode(atIndex: 1)))
      }
    }
  }

  private static func name(of type: Int64, _ db: Database) throws -> JobTypeID? {
    let name = try String.fetchOne(
      db.cachedStatement(sql: "SELECT name FROM type WHERE number = ?"), arguments: [type])
    // What is no name is that of jobs that cannot be read.
    return name.flatMap { try? JobTypeID($0) }
  }

  /// What is due, without removing it.
  static func countAll(
    _ policy: RetentionPolicy, at now: Timestamp, _ db: Database
  ) throws -> Pruned {
    let jobs = try kinds(policy, at: now, db).map { kind in
      PruneCount(
        type: kind.name, status: kind.status,
        count: try Int.fetchOne(
          db.cachedStatement(sql: count), arguments: StatementArguments(kind.arguments)) ?? 0)
    }
    let tombstones = try policy.tombstoneAge.map { age in
      try Int.fetchOne(
        db.cachedStatement(sql: countTombstones),
        arguments: [(now + (.zero - age)).milliseconds]) ?? 0
    }
    return Pruned(jobs: jobs, tombstones: tombstones ?? 0)
  }
}

extension Transaction {
  func prune(_ policy: RetentionPolicy, at now: Timestamp, limit: Int) throws -> Pruned {
    var pruned = Pruned()
    var bytes = Pruning.bytes
    for kind in try Pruning.kinds(policy, at: now, db) {
      let room = limit - pruned.total
      guard room > 0, bytes > 0 else {
        pruned.hasMore = true
        return pruned
      }
      let (rows, isAll) = try due(kind, limit: room, bytes: &bytes)
      if let first = rows.first, first.events >= Pruning.events {
        noteRemovedEvents(
          of: first.tenant,
          upTo: try Int64.fetchOne(statement(Pruning.lastOfHistory), arguments: [first.number]))
        try execute(Pruning.history, [first.number.databaseValue])
        pruned.hasMore = true
        return pruned
      }
      let count = try prune(rows, kind, at: now)
      pruned.add(
        Pruned(
          jobs: [PruneCount(type: kind.name, status: kind.status, count: count)],
          // Where none could be removed, asking again would find the same.
          hasMore: pruned.hasMore || !isAll && count > 0))
    }
    guard let age = policy.tombstoneAge, limit > pruned.total else { return pruned }
    let room = limit - pruned.total
    try execute(
      Pruning.tombstones,
      [(now + (.zero - age)).milliseconds.databaseValue, room.databaseValue])
    pruned.add(
      Pruned(tombstones: db.changesCount, hasMore: pruned.hasMore || db.changesCount == room))
    return pruned
  }

  private struct EndedRow {
    let number: Int64
    /// `nil` where it cannot be read.
    let id: JobID?
    let tenant: Int64
    let queue: Int64
    /// Of its history, as far as they were counted.
    let events: Int
    /// The number of its last transition.
    let lastEvent: Int64?
  }

  /// - Parameter bytes: how many may go; what the rows have is taken off.
  /// - Returns: the first rows, and whether these are all. One that has more is there only by itself.
  private func due(
    _ kind: Pruning.Kind, limit: Int, bytes: inout Int
  ) throws -> (rows: [EndedRow], isAll: Bool) {
    let found = try Row.fetchCursor(
      statement(Pruning.due),
      arguments: StatementArguments(kind.arguments + [limit.databaseValue]))
    var rows: [EndedRow] = []
    while let row = try found.next() {
      let events = try row.decode(Int.self, atIndex: 5)
      bytes -= try row.decode(Int.self, atIndex: 4) + events * Pruning.eventBytes
      let isLong = events >= Pruning.events
      guard rows.isEmpty || bytes >= 0 && !isLong else { return (rows, false) }
      rows.append(
        EndedRow(
          number: try row.decode(atIndex: 0),
          id: (try? row.decode(UUID.self, atIndex: 1)).map { JobID($0) },
          tenant: try row.decode(atIndex: 2), queue: try row.decode(atIndex: 3),
          events: events, lastEvent: try row.decode(atIndex: 6)))
      if isLong { return (rows, false) }
    }
    return (rows, rows.count < limit)
  }

  /// Removes rows: together, or each by itself when the database does not let all of them go.
  ///
  /// - Returns: how many are gone.
  private func prune(_ rows: [EndedRow], _ kind: Pruning.Kind, at now: Timestamp) throws -> Int {
    if case .success = try attempt({ try remove(rows, kind, at: now) }) { return rows.count }
    return try rows.count { row in
      try unlessRefused("row \(row.number)") { try remove([row], kind, at: now) } != nil
    }
  }

  private func remove(_ rows: [EndedRow], _ kind: Pruning.Kind, at now: Timestamp) throws {
    let numbers = rows.map(\.number).json
    for sql in Pruning.removals { try execute(sql, [numbers]) }
    let hasLocks = try hasLocks()
    for row in rows {
      noteRemovedEvents(of: row.tenant, upTo: row.lastEvent)
      noteRemoved(
        CountKey(
          tenant: row.tenant, queue: row.queue, type: kind.type,
          code: StatusCode.code(kind.status)), number: row.number, id: row.id)
      if hasLocks, let id = row.id { try release(lockedBy: id, at: now) }
    }
  }
}
