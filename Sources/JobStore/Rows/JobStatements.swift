import Foundation
import GRDB
import Jobs

/// The statements that read and write single jobs. Their text never varies, so each is prepared once per connection.
struct JobStatements {
  private let db: Database

  init(_ db: Database) {
    self.db = db
  }

  func job(_ id: JobID) throws -> StoredJob? {
    try JobRow.fetchOne(
      db.cachedStatement(sql: "\(JobRow.select()) WHERE j.id = ?"), [id.uuid])
  }

  func whole(number: Int64) throws -> StoredJob? {
    try JobRow.fetchOne(
      db.cachedStatement(sql: "\(JobRow.select()) WHERE j.number = ?"), [number])
  }

  /// For lists: without its snapshot.
  func job(number: Int64) throws -> StoredJob? {
    try JobRow.fetchOne(
      db.cachedStatement(sql: "\(JobRow.select(snapshot: false)) WHERE j.number = ?"), [number])
  }

  func job(idempotencyKey: UUID, tenant: UUID) throws -> StoredJob? {
    try JobRow.fetchOne(
      db.cachedStatement(
        sql: "\(JobRow.select()) WHERE j.tenant_id = ? AND j.idempotency_key = ?"),
      [tenant, idempotencyKey])
  }

  /// Adds the job unless its id, or its tenant's key, is there already; answers whether it was added.
  func insert(_ new: NewJob) throws -> Bool {
    let job = new.job
    try execute(
      """
      INSERT INTO jobs (
        id, tenant_id, user_id, idempotency_key, type, queue, timeout_ms, max_retries,
        retry_delay_ms, backoff, max_retry_delay_ms, jitter, created_at, status, scheduled_at,
        updated_at, started_at, eta, locked_by, progress, progress_details, details, retries, error,
        attempt, worker, claim, lost_workers, ticket_issued, attempt_started_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO NOTHING
      """,
      [
        job.id.uuid, job.tenantID, job.userID, job.idempotencyKey, job.type.description,
        job.queue.rawValue, job.timeout.milliseconds, job.retry.maxRetries,
        job.retry.delay.milliseconds, job.retry.backoff.rawValue, job.retry.maxDelay.milliseconds,
        job.retry.jitter, job.createdAt.milliseconds, job.status.rawValue,
        job.scheduledAt.milliseconds, job.updatedAt.milliseconds, job.startedAt?.milliseconds,
        job.eta?.milliseconds, job.lockedBy?.uuid, job.progress, Self.storable(job.progressDetails),
        Self.storable(job.details), job.retries, job.error.map(Self.storable), job.attempt,
        (job.worker?.rawValue).map(Self.storable), job.claim, job.lostWorkers, job.ticketIssued,
        job.attemptStartedAt?.milliseconds,
      ])
    guard db.changesCount == 1 else { return false }
    try execute(
      """
      INSERT INTO job_payloads (number, params, result, snapshot, reply, submitted)
      VALUES (?, ?, ?, ?, ?, ?)
      """,
      [
        db.lastInsertedRowID, job.params.text, job.result?.text, job.snapshot?.text,
        try Self.text(job.replies), new.submitted == job.params ? "" : new.submitted.text,
      ])
    return true
  }

  /// Whether a job came of the same submission: what was submitted is compared, not what the defaults of the day made
  /// of it. Compared as text: what was stored has been through it.
  func isSame(_ existing: StoredJob, as new: NewJob) throws -> Bool {
    guard existing.job.type == new.job.type else { return false }
    let statement = try db.cachedStatement(
      sql: "SELECT submitted, params FROM job_payloads WHERE number = ?")
    let rows = try Row.fetchCursor(statement, arguments: [existing.number])
    return try withExtendedLifetime(rows) {
      guard let row = try rows.next() else { return false }
      let params = try row.decode(String.self, atIndex: 1)
      return switch try row.decode(String?.self, atIndex: 0) {
      // Stored before submissions were kept.
      case nil: params == new.job.params.text
      case "": params == new.submitted.text
      case let submitted?: submitted == new.submitted.text
      }
    }
  }

  /// Writes what stands for the columns that could not be read, so that they can be from now on.
  func repair(_ stored: StoredJob) throws {
    let job = stored.job
    try execute(
      "UPDATE job_payloads SET params = ?, result = ?, snapshot = ?, reply = ? WHERE number = ?",
      [
        job.params.text, job.result?.text, job.snapshot?.text, try Self.text(job.replies),
        stored.number,
      ])
    try execute(
      "UPDATE jobs SET backoff = ? WHERE number = ?", [job.retry.backoff.rawValue, stored.number])
  }

  /// Ends a job of whose row not even that can be read which job it is: nothing is to look for it any more.
  func abandon(_ row: UnreadableRow, reason: String, at now: Timestamp) throws {
    let failing = JobStatus.allCases.filter { $0.successors.contains(.failed) }
      .map { "'\($0.rawValue)'" }.joined(separator: ", ")
    try execute(
      """
      UPDATE jobs SET status = 'failed', error = ?, updated_at = ?, locked_by = NULL
      WHERE number = ? AND status IN (\(failing))
      """,
      [Self.storable(reason), now.milliseconds, row.number])
    try execute("UPDATE job_payloads SET reply = NULL WHERE number = ?", [row.number])
  }

  /// Writes what is different. SQLite rewrites every index of which a column is named, changed or not, and most writes
  /// are of the narrow kinds.
  func update(_ stored: StoredJob, to job: Job) throws {
    var narrow = stored.job
    if narrow.snapshot != job.snapshot {
      try execute(
        "UPDATE job_payloads SET snapshot = ? WHERE number = ?",
        [job.snapshot?.text, stored.number])
      narrow.snapshot = job.snapshot
    }
    if narrow.replies != job.replies {
      try execute(
        "UPDATE job_payloads SET reply = ? WHERE number = ?",
        [try Self.text(job.replies), stored.number])
      narrow.replies = job.replies
    }
    if narrow.retry != job.retry || narrow.timeout != job.timeout {
      try execute(
        """
        UPDATE jobs SET timeout_ms = ?, max_retries = ?, retry_delay_ms = ?, backoff = ?,
          max_retry_delay_ms = ?, jitter = ? WHERE number = ?
        """,
        [
          job.timeout.milliseconds, job.retry.maxRetries, job.retry.delay.milliseconds,
          job.retry.backoff.rawValue, job.retry.maxDelay.milliseconds, job.retry.jitter,
          stored.number,
        ])
      narrow.retry = job.retry
      narrow.timeout = job.timeout
    }
    narrow.ticketIssued = job.ticketIssued
    if narrow == job {
      try execute(
        "UPDATE jobs SET ticket_issued = ? WHERE number = ?", [job.ticketIssued, stored.number])
      return
    }
    narrow.progress = job.progress
    narrow.progressDetails = job.progressDetails
    narrow.updatedAt = job.updatedAt
    narrow.eta = job.eta
    if narrow == job {
      try execute(
        """
        UPDATE jobs SET progress = ?, progress_details = ?, updated_at = ?, eta = ?,
          ticket_issued = ? WHERE number = ?
        """,
        [
          job.progress, Self.storable(job.progressDetails), job.updatedAt.milliseconds,
          job.eta?.milliseconds, job.ticketIssued, stored.number,
        ])
      return
    }
    try execute(
      """
      UPDATE jobs SET status = ?, scheduled_at = ?, updated_at = ?, started_at = ?, eta = ?,
        locked_by = ?, progress = ?, progress_details = ?, details = ?, retries = ?, error = ?,
        attempt = ?, worker = ?, claim = ?, lost_workers = ?, ticket_issued = ?,
        attempt_started_at = ?
      WHERE number = ?
      """,
      [
        job.status.rawValue, job.scheduledAt.milliseconds, job.updatedAt.milliseconds,
        job.startedAt?.milliseconds, job.eta?.milliseconds, job.lockedBy?.uuid, job.progress,
        Self.storable(job.progressDetails), Self.storable(job.details), job.retries,
        job.error.map(Self.storable), job.attempt, (job.worker?.rawValue).map(Self.storable),
        job.claim, job.lostWorkers, job.ticketIssued, job.attemptStartedAt?.milliseconds,
        stored.number,
      ])
    if stored.job.result != job.result {
      try execute(
        "UPDATE job_payloads SET result = ? WHERE number = ?", [job.result?.text, stored.number])
    }
  }

  func delete(_ stored: StoredJob, at now: Timestamp) throws {
    // First the job: on a full disk, its pages are what the tombstone needs.
    try execute("DELETE FROM jobs WHERE number = ?", [stored.number])
    try execute(
      "INSERT INTO job_tombstones (job_id, deleted_at) VALUES (?, ?)",
      [stored.job.id.uuid, now.milliseconds])
  }

  func isTombstoned(_ id: JobID) throws -> Bool {
    let statement = try db.cachedStatement(sql: "SELECT 1 FROM job_tombstones WHERE job_id = ?")
    return try Int.fetchOne(statement, arguments: [id.uuid]) != nil
  }

  private func execute(_ sql: String, _ arguments: StatementArguments) throws {
    try db.cachedStatement(sql: sql).execute(arguments: arguments)
  }

  private static func text(_ replies: [JobReply]) throws -> String? {
    switch replies.count {
    case 0: nil
    case 1: try JSONValue(encoding: replies[0]).text
    default: try JSONValue(encoding: replies).text
    }
  }

  /// A text as it can be read back: texts from programs (an error, a detail) may hold the character NUL, at which a
  /// reader of SQLite stops.
  static func storable(_ text: String) -> String {
    text.utf8.contains(0) ? text.replacing("\0", with: "\u{FFFD}") : text
  }
}
