import Foundation
import GRDB
import Jobs

/// New jobs, and those that were asked for before.
extension Transaction {
  /// Stores jobs: together, or each by itself when the database does not take them all.
  func insert(_ jobs: [NewJob], at now: Timestamp) throws -> [Insertion] {
    if case .success(let all) = try attempt({ try jobs.map { try insert($0, at: now) } }) {
      return all
    }
    return try jobs.map { new in
      switch try attempt({ try insert(new, at: now) }) {
      case .success(let insertion): insertion
      case .failure(let reason): .unfit("\(reason)")
      }
    }
  }

  private func insert(_ new: NewJob, at now: Timestamp) throws -> Insertion {
    let job = new.job
    let tenant = try tenant(job.tenantID)
    let type = try type(job.type)
    let queue = try queue(job.queue)
    if let exceeded = try new.exceeded ?? exceeded(by: job, tenant) {
      return try known(new, tenant: tenant, at: now) ?? .exceeded(exceeded)
    }
    let code = try initialCode(of: job, tenant, at: now)
    let worker = try job.worker.map { try self.worker($0) }
    // Most have not been anywhere yet.
    let isFresh = job.isFresh
    let hasKey = job.idempotencyKey != job.id.uuid
    let number = nextJobNumber
    let params = Data(job.params.utf8)
    let snapshot = job.snapshot.map { Data($0.utf8) }
    var values: [DatabaseValue] = [
      number.databaseValue, job.id.uuid.databaseValue, tenant.databaseValue,
      hasKey ? job.idempotencyKey.databaseValue : .null, type.databaseValue,
      queue.databaseValue, code.databaseValue, job.priority.databaseValue,
      job.userID == .zero ? .null : job.userID.databaseValue,
      job.timeout.milliseconds.databaseValue, job.retry.maxRetries.databaseValue,
      job.retry.delay.milliseconds.databaseValue,
      StatusCode.backoff(job.retry.backoff).databaseValue,
      job.retry.maxDelay.milliseconds.databaseValue, job.retry.jitter.databaseValue,
      (params.count + CarriedContext.size(job.context)).databaseValue,
      (snapshot?.count ?? 0).databaseValue,
      (job.replies.isEmpty ? 0 : 1).databaseValue, (job.isShared ? 1 : 0).databaseValue,
      job.createdAt.milliseconds.databaseValue, job.scheduledAt.milliseconds.databaseValue,
      job.updatedAt.milliseconds.databaseValue,
    ]
    if !isFresh {
      let state: [DatabaseValue] = [
        job.retries.databaseValue, job.attempt.databaseValue, job.lostWorkers.databaseValue,
        job.progress.databaseValue, worker.map(\.databaseValue) ?? .null,
        job.claim.map(\.databaseValue) ?? .null, Job.optional(job.startedAt),
        Job.optional(job.attemptStartedAt), Job.optional(job.eta),
        job.lockedBy.map(\.uuid.databaseValue) ?? .null, Job.text(job.progressDetails),
        Job.text(job.details), job.error.map { storable($0).databaseValue } ?? .null,
      ]
      values += state
    }
    try execute(Insertions.job(hasKey: hasKey, isFresh: isFresh), values)
    guard db.changesCount == 1 else {
      guard let known = try known(new, tenant: tenant, at: now) else {
        throw StoreError.corrupt("job \(job.id) is neither new nor there")
      }
      return known
    }
    useJobNumber()
    try execute(
      Insertions.payload,
      [
        number.databaseValue, params.databaseValue,
        new.submitted == job.params ? .null : Job.text(new.submitted),
        job.result.map(Job.text) ?? .null, snapshot?.databaseValue ?? .null,
        try Job.text(job.replies), Job.text(job.context),
      ])
    if let predecessor = job.retryOf {
      try execute(Insertions.retry, [predecessor.uuid.databaseValue, number.databaseValue])
    }
    if !job.webhooks.isEmpty {
      let names = storable(job.webhooks.joined(separator: ","))
      try execute(Insertions.webhooks, [names.databaseValue, number.databaseValue])
    }
    count(CountKey(tenant: tenant, queue: queue, type: type, code: code), 1)
    log(
      job.creation, of: number, id: job.id, type: job.type, queue: job.queue, at: job.updatedAt,
      worker: worker)
    if code == StatusCode.due { try noteDue(DueKey(queue: queue, type: type)) }
    if code == StatusCode.later { noteLater(job.scheduledAt) }
    if job.status.isFinal, !job.replies.isEmpty { noteReplies() }
    return .created(job)
  }

  /// A job that is not inserted: its id was deleted, or it was asked for before, or something else has its id or key.
  ///
  /// - Returns: `nil` for one that is new.
  private func known(_ new: NewJob, tenant: Int64, at now: Timestamp) throws -> Insertion? {
    let job = new.job
    let isDeleted = try Int.fetchOne(
      statement(Insertions.tombstone), arguments: [job.id.uuid])
    if isDeleted != nil { return .deleted }
    do {
      if let existing = try StoredJob.fetchOne(
        statement(StoredJob.byID), [job.id.uuid.databaseValue])
      {
        let isOwn =
          existing.job.tenantID == job.tenantID
          && existing.job.idempotencyKey == job.idempotencyKey
        return try isOwn && isSame(existing, as: new)
          ? repetition(existing, new, at: now) : .conflict(existing: existing.job)
      }
      guard let existing = try holder(ofKey: job.idempotencyKey, tenant: tenant) else {
        return nil
      }
      return try isSame(existing, as: new)
        ? repetition(existing, new, at: now) : .conflict(existing: existing.job)
    } catch is UnreadableRow {
      return .unreadable
    }
  }

  /// The job with a key: one that was given it, or one that has its own id as its key.
  private func holder(ofKey key: UUID, tenant: Int64) throws -> StoredJob? {
    if let job = try StoredJob.fetchOne(
      statement(StoredJob.byKey), [tenant.databaseValue, key.databaseValue])
    {
      return job
    }
    let job = try StoredJob.fetchOne(statement(StoredJob.byID), [key.databaseValue])
    return job?.tenant == tenant && job?.job.idempotencyKey == key ? job : nil
  }

  /// Whether the same was submitted: what was, not what the defaults of today make of it.
  private func isSame(_ existing: StoredJob, as new: NewJob) throws -> Bool {
    guard existing.job.type == new.job.type else { return false }
    let rows = try Row.fetchCursor(
      statement(Insertions.submitted), arguments: [existing.number])
    return try withExtendedLifetime(rows) {
      guard let row = try rows.next() else { return false }
      return try row.decode(Data.self, atIndex: 0) == Data(new.submitted.utf8)
    }
  }

  private func repetition(
    _ existing: StoredJob, _ new: NewJob, at now: Timestamp
  ) throws -> Insertion {
    var job = existing.job
    job.add(new.job.replies)
    // From now on it stays, whatever its init callback says.
    if job.status == .initializing { job.isShared = true }
    guard job != existing.job else { return .repeated(job) }
    let after = try unlessRefused("job \(job.id)") { try write(existing, job, at: now) }
    return after.map { .repeated($0.job) } ?? .unreadable
  }
}

extension Job {
  /// Nothing has happened to it since it was made.
  fileprivate var isFresh: Bool {
    retries == 0 && attempt == 0 && lostWorkers == 0 && progress == 0 && worker == nil
      && claim == nil && startedAt == nil && attemptStartedAt == nil && eta == nil
      && lockedBy == nil && progressDetails.isEmpty && details.isEmpty && error == nil
  }
}

enum Insertions {
  static func job(hasKey: Bool, isFresh: Bool) -> String {
    switch (hasKey, isFresh) {
    case (true, true): withKey
    case (true, false): movedWithKey
    case (false, true): withoutKey
    case (false, false): movedWithoutKey
    }
  }

  static let withKey = fresh + keyIsFree
  static let withoutKey = fresh + idIsFree
  static let movedWithKey = moved + keyIsFree
  static let movedWithoutKey = moved + idIsFree

  private static let columns = """
    number, id, tenant, key, type, queue, status, priority, user, timeout, max_retries, retry_delay,
    backoff, max_retry_delay, jitter, size, snapshot_size, replies, shared, created_at,
    scheduled_at, updated_at, retries, attempt, lost_workers, progress
    """
  private static let values = """
    ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,
    ?22
    """
  private static let fresh = """
    INSERT INTO job (\(columns)) SELECT \(values), 0, 0, 0, 0
    """
  /// One that has been somewhere.
  private static let moved = """
    INSERT INTO job (\(columns), worker, claim, started_at, attempt_started_at, eta, locked_by,
      progress_details, details, error)
    SELECT \(values), ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35
    """
  /// A key may be the id of a job that has no other.
  private static let keyIsFree = """
    \nWHERE NOT EXISTS (SELECT 1 FROM tombstone WHERE id = ?2)
      AND NOT EXISTS (SELECT 1 FROM job WHERE id = ?4 AND key IS NULL AND tenant = ?3)
    ON CONFLICT DO NOTHING
    """
  /// An id may be the key of another job.
  private static let idIsFree = """
    \nWHERE NOT EXISTS (SELECT 1 FROM tombstone WHERE id = ?2)
      AND NOT EXISTS (SELECT 1 FROM job WHERE tenant = ?3 AND key = ?2)
    ON CONFLICT DO NOTHING
    """
  static let payload = """
    INSERT INTO payload (number, params, submitted, result, snapshot, replies, context)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    """
  /// By itself, since few jobs do another one again.
  static let retry = "UPDATE job SET retry_of = ? WHERE number = ?"
  /// As are those that name webhook endpoints.
  static let webhooks = "UPDATE payload SET webhooks = ? WHERE number = ?"
  static let tombstone = "SELECT 1 FROM tombstone WHERE id = ?"
  static let submitted = "SELECT coalesce(submitted, params) FROM payload WHERE number = ?"
  static let submittedByID = """
    SELECT coalesce(p.submitted, p.params) FROM job j JOIN payload p ON p.number = j.number
    WHERE j.id = ?
    """
}
