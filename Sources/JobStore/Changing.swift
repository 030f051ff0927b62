import Foundation
import GRDB
import Jobs

/// One job at a time, through the pure functions of the lifecycle: what is seldom, and what the set-based statements do not
/// cover.
extension Transaction {
  /// A job to be changed. One of which a part cannot be read has failed with this, where its status allows that.
  ///
  /// - Returns: `nil` when there is no such job, or nothing can be done with its row.
  func load(_ id: JobID, at now: Timestamp) throws -> StoredJob? {
    try load(now) {
      try StoredJob.fetchOne(statement(StoredJob.byID), [id.uuid.databaseValue])
    }
  }

  func load(number: Int64, at now: Timestamp) throws -> StoredJob? {
    try load(now) {
      try StoredJob.fetchOne(statement(StoredJob.byNumber), [number.databaseValue])
    }
  }

  private func load(_ now: Timestamp, _ read: () throws -> StoredJob?) throws -> StoredJob? {
    do {
      guard let stored = try read() else { return nil }
      guard let damage = stored.damage else { return stored }
      return try unlessRefused(damage) { try repaired(stored, damage, at: now) }
    } catch let row as UnreadableRow {
      try abandon(row, at: now)
      return nil
    }
  }

  /// Takes a row that could not be read out of everybody's way. One that can be read meanwhile is left alone.
  func setAside(number: Int64, at now: Timestamp) throws {
    // Who has read it has counted it.
    try uncounted {
      do {
        let stored = try StoredJob.fetchOne(
          statement(StoredJob.byNumber), [number.databaseValue])
        guard let stored, let damage = stored.damage else { return }
        _ = try unlessRefused(damage) { try repaired(stored, damage, at: now) }
      } catch let row as UnreadableRow {
        try abandon(row, at: now)
      }
    }
  }

  private func repaired(
    _ stored: StoredJob, _ damage: String, at now: Timestamp
  ) throws -> StoredJob {
    let job = stored.job
    try execute(
      Changes.repairPayload,
      [
        stored.number.databaseValue, Job.text(job.params),
        job.result.map(Job.text) ?? .null, job.snapshot.map(Job.text) ?? .null,
        try Job.text(job.replies), Job.text(job.context),
      ])
    try execute(
      "UPDATE job SET backoff = ? WHERE number = ?",
      [StatusCode.backoff(job.retry.backoff).databaseValue, stored.number.databaseValue])
    noteSetAside(UnreadableRow(number: stored.number, reason: damage))
    var failed = job
    failed.failUnreadable(damage, at: now)
    var readable = stored
    readable.damage = nil
    guard failed.status != job.status else { return readable }
    return try write(readable, failed, at: now)
  }

  /// A row of which not even the job can be told: it has failed, as far as its columns allow.
  private func abandon(_ row: UnreadableRow, at now: Timestamp) throws {
    _ = try unlessRefused(row.description) {
      let rows = try Row.fetchCursor(
        statement("SELECT tenant, queue, type, status FROM job WHERE number = ?"),
        arguments: [row.number])
      let found = try withExtendedLifetime(rows) {
        try rows.next().map { found in
          CountKey(
            tenant: try found.decode(atIndex: 0), queue: try found.decode(atIndex: 1),
            type: try found.decode(atIndex: 2), code: try found.decode(atIndex: 3))
        }
      }
      guard let found else { return }
      noteSetAside(row)
      try execute("UPDATE job SET replies = 0 WHERE number = ?", [row.number.databaseValue])
      guard let status = StatusCode.status(found.code), status.successors.contains(.failed) else {
        return
      }
      try execute(
        "UPDATE job SET status = 10, error = ?, updated_at = ?, locked_by = NULL WHERE number = ?",
        [
          Job.text("stored data cannot be read: \(row.reason)"), now.milliseconds.databaseValue,
          row.number.databaseValue,
        ])
      count(found, -1)
      count(
        CountKey(
          tenant: found.tenant, queue: found.queue, type: found.type,
          code: StatusCode.code(.failed)), 1)
    }
  }

  /// Writes a job that has been changed, and all that follows from it: the log, the counts, what others are told.
  ///
  /// - Returns: the row as it is now.
  @discardableResult
  func write(_ stored: StoredJob, _ changed: Job, at now: Timestamp) throws -> StoredJob {
    var job = changed
    let changes = job.takeChanges()
    var code = StatusCode.code(of: job, at: now)
    // What is changed of it otherwise does not end its wait.
    if stored.code == StatusCode.heldBack, code == StatusCode.due, changes.isEmpty {
      code = StatusCode.heldBack
    }
    let after = StoredJob(
      number: stored.number, job: job, code: code, tenant: stored.tenant, type: stored.type,
      queue: stored.queue)
    guard job != stored.job || !changes.isEmpty || code != stored.code else { return after }
    let worker = try job.worker.map { try self.worker($0) }
    try execute(
      Changes.update,
      [
        stored.number.databaseValue, code.databaseValue, job.timeout.milliseconds.databaseValue,
        job.retry.maxRetries.databaseValue, job.retry.delay.milliseconds.databaseValue,
        StatusCode.backoff(job.retry.backoff).databaseValue,
        job.retry.maxDelay.milliseconds.databaseValue, job.retry.jitter.databaseValue,
        (job.snapshot?.text.utf8.count ?? 0).databaseValue,
        job.replies.isEmpty ? 0.databaseValue : 1.databaseValue,
        job.isShared ? 1.databaseValue : 0.databaseValue,
        job.scheduledAt.milliseconds.databaseValue,
        job.updatedAt.milliseconds.databaseValue, job.retries.databaseValue,
        job.attempt.databaseValue, job.lostWorkers.databaseValue, job.progress.databaseValue,
        worker.map(\.databaseValue) ?? .null, job.claim.map(\.databaseValue) ?? .null,
        Job.optional(job.startedAt), Job.optional(job.attemptStartedAt), Job.optional(job.eta),
        job.lockedBy.map(\.uuid.databaseValue) ?? .null, Job.text(job.progressDetails),
        Job.text(job.details), job.error.map { storable($0).databaseValue } ?? .null,
      ])
    if job.result != stored.job.result {
      try execute(
        "UPDATE payload SET result = ? WHERE number = ?",
        [job.result.map(Job.text) ?? .null, stored.number.databaseValue])
    }
    if job.snapshot != stored.job.snapshot {
      try execute(
        "UPDATE payload SET snapshot = ? WHERE number = ?",
        [job.snapshot.map(Job.text) ?? .null, stored.number.databaseValue])
    }
    if job.replies != stored.job.replies {
      try execute(
        "UPDATE payload SET replies = ? WHERE number = ?",
        [try Job.text(job.replies), stored.number.databaseValue])
    }
    try follow(stored, after, changes, worker: worker, at: now)
    return after
  }

  private func follow(
    _ stored: StoredJob, _ after: StoredJob, _ changes: [StatusChange], worker: Int64?,
    at now: Timestamp
  ) throws {
    let job = after.job
    if after.code != stored.code {
      count(stored.countKey, -1)
      count(after.countKey, 1)
    }
    for change in changes {
      let holder =
        change.worker == job.worker ? worker : try change.worker.map { try self.worker($0) }
      log(
        change, of: after.number, id: job.id, type: job.type, queue: job.queue, at: job.updatedAt,
        worker: holder)
    }
    if job.status == .waiting, !changes.isEmpty || after.code != stored.code {
      if after.code == StatusCode.due {
        try noteDue(DueKey(queue: after.queue, type: after.type))
      } else {
        noteLater(job.scheduledAt)
      }
    }
    guard job.status.isFinal else { return }
    if !job.replies.isEmpty, job != stored.job { noteReplies() }
    if !stored.job.status.isFinal { try release(lockedBy: job.id, at: now) }
  }

  /// Frees those that a job has kept locked.
  func release(lockedBy holder: JobID, at now: Timestamp) throws {
    let numbers = try Int64.fetchAll(
      statement(Changes.lockedBy), arguments: [holder.uuid.databaseValue])
    for number in numbers {
      _ = try unlessRefused("row \(number)") {
        guard let stored = try load(number: number, at: now) else { return }
        var job = stored.job
        guard job.unlock(at: now) == nil else { return }
        try write(stored, job, at: now)
      }
    }
  }

  /// Whether any job is locked by another.
  func hasLocks() throws -> Bool {
    try Int.fetchOne(statement(Changes.anyLock)) != nil
  }

  // MARK: Commands

  func apply(_ command: JobCommand, at now: Timestamp) throws -> JobCommand.Result? {
    guard let stored = try load(command.job, at: now),
      command.tenant == nil || command.tenant == stored.job.tenantID
    else { return nil }
    var job = stored.job
    let decision = job.apply(command.action, at: now)
    let after = try unlessRefused("job \(command.job)") { try write(stored, job, at: now) }
    return after.map { JobCommand.Result(decision, $0.job) }
  }

  func delete(_ id: JobID, tenant: UUID?, at now: Timestamp) throws -> Deletion {
    guard let stored = try load(id, at: now), tenant == nil || tenant == stored.job.tenantID else {
      return .unknown
    }
    return try delete(stored, at: now)
  }

  func delete(_ stored: StoredJob, at now: Timestamp) throws -> Deletion {
    guard stored.job.status.isDeletable else { return .refused(stored.job) }
    try remove(stored, at: now)
    try execute(
      "INSERT INTO tombstone (id, deleted_at) VALUES (?, ?)",
      [stored.job.id.uuid.databaseValue, now.milliseconds.databaseValue])
    return .deleted(stored.job)
  }

  func withdraw(_ id: JobID, at now: Timestamp) throws -> Deletion {
    guard let stored = try load(id, at: now) else { return .unknown }
    guard stored.job.status == .initializing, !stored.job.isShared else {
      return .refused(stored.job)
    }
    try remove(stored, at: now)
    return .deleted(stored.job)
  }

  private func remove(_ stored: StoredJob, at now: Timestamp) throws {
    let last = try Int64.fetchOne(statement(Events.lastOfJob), arguments: [stored.number])
    noteRemovedEvents(of: stored.tenant, upTo: last)
    for sql in Changes.removals { try execute(sql, [stored.number.databaseValue]) }
    noteRemoved(stored.countKey, number: stored.number, id: stored.job.id)
    try release(lockedBy: stored.job.id, at: now)
  }

  // MARK: Locks

  func lock(_ request: LockRequest, at now: Timestamp) throws -> LockAnswer {
    guard let stored = try load(request.job, at: now), stored.job.status.isHeld,
      stored.job.attempt == request.attempt, stored.job.worker == request.worker
    else { return .refused(.fenced) }
    var job = stored.job
    let refusal =
      if let other = request.by {
        try lockRefusal(of: job, by: other) ?? job.lock(by: other, at: now)
      } else {
        job.unlock(at: now)
      }
    if let refusal { return .refused(refusal) }
    try write(stored, job, at: now)
    return .done
  }

  /// Why a job cannot be locked by another one: that one is not there or has ended, or they would wait for each other.
  private func lockRefusal(of job: Job, by other: JobID) throws -> LockError? {
    var chain = [job.id, other]
    while let last = chain.last, last != job.id {
      let rows = try Row.fetchCursor(
        statement(Changes.lockLink), arguments: [last.uuid.databaseValue])
      let link = try withExtendedLifetime(rows) {
        try rows.next().map { row in
          (
            tenant: try row.decode(UUID.self, atIndex: 0),
            status: StatusCode.status(try row.decode(Int.self, atIndex: 1)),
            lockedBy: try row.decode(UUID?.self, atIndex: 2).map { JobID($0) }
          )
        }
      }
      guard let link, link.tenant == job.tenantID else {
        return chain.count == 2 ? .unknown(other) : nil
      }
      if chain.count == 2, let status = link.status, status.isFinal {
        return .ended(other, status)
      }
      guard let next = link.lockedBy else { return nil }
      // A chain that does not lead back here has been there before; it cannot grow without end.
      guard !chain.dropFirst().contains(next) else { return nil }
      chain.append(next)
    }
    return .cycle(chain)
  }
}

enum Changes {
  static let update = """
    UPDATE job SET status = ?2, timeout = ?3, max_retries = ?4, retry_delay = ?5, backoff = ?6,
      max_retry_delay = ?7, jitter = ?8, snapshot_size = ?9, replies = ?10, shared = ?11,
      scheduled_at = ?12, updated_at = ?13, retries = ?14, attempt = ?15, lost_workers = ?16,
      progress = ?17, worker = ?18, claim = ?19, started_at = ?20, attempt_started_at = ?21,
      eta = ?22, locked_by = ?23, progress_details = ?24, details = ?25, error = ?26
    WHERE number = ?1
    """
  static let repairPayload = """
    INSERT INTO payload (number, params, result, snapshot, replies, context)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT DO UPDATE SET params = ?2, result = ?3, snapshot = ?4, replies = ?5, context = ?6
    """
  static let lockedBy = "SELECT number FROM job WHERE locked_by = ? ORDER BY number"
  static let anyLock = """
    SELECT 1 FROM job INDEXED BY job_locked WHERE locked_by IS NOT NULL LIMIT 1
    """
  static let lockLink = """
    SELECT t.id, j.status, j.locked_by FROM job j JOIN tenant t ON t.number = j.tenant
    WHERE j.id = ?
    """
  static let removals = [
    "DELETE FROM event WHERE job = ?", "DELETE FROM job_log WHERE job = ?",
    "DELETE FROM payload WHERE number = ?", "DELETE FROM job WHERE number = ?",
  ]
}
