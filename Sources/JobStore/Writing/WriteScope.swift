import Foundation
import GRDB
import Jobs

/// What one piece of a transaction works with: the connection, and the list of what it changed.
struct WriteScope {
  let db: Database
  private(set) var changes: [JobChange] = []
  /// The rows that could not be read and are out of the way now.
  private(set) var setAside: [UnreadableRow] = []
  /// Why rows were left out that cannot even be written.
  private(set) var leftOut: [String] = []
  private let jobs: JobStatements
  private let locks: LockStatements

  init(_ db: Database) {
    self.db = db
    jobs = JobStatements(db)
    locks = LockStatements(db)
  }

  /// - Parameter repeated: told, within the transaction, of each job that was asked for again.
  mutating func insert(_ new: NewJob, repeated: (Job) -> Void) throws -> Insertion {
    let job = new.job
    if try jobs.isTombstoned(job.id) { return .deleted }
    if try jobs.insert(new) {
      let event = try EventRow.append(.creation(of: job), of: job, to: db)
      changes.append(JobChange(job: job, event: event))
      return .created(job)
    }
    do {
      if let existing = try jobs.job(job.id) {
        let isOwn =
          existing.job.tenantID == job.tenantID
          && existing.job.idempotencyKey == job.idempotencyKey
        return try isOwn && jobs.isSame(existing, as: new)
          ? repetition(existing, job, repeated) : .conflict(existing: existing.job)
      }
      guard
        let existing = try jobs.job(idempotencyKey: job.idempotencyKey, tenant: job.tenantID)
      else {
        throw StoreError.corrupt("job \(job.id) is neither new nor there")
      }
      return try jobs.isSame(existing, as: new)
        ? repetition(existing, job, repeated) : .conflict(existing: existing.job)
    } catch is UnreadableRow {
      return .unreadable
    }
  }

  private mutating func repetition(
    _ existing: StoredJob, _ job: Job, _ repeated: (Job) -> Void
  ) throws -> Insertion {
    var current = existing.job
    current.add(job.replies)
    if current != existing.job {
      let isWritten: Void? = try unlessRefused("job \(job.id)") { scope in
        try scope.jobs.update(existing, to: current)
        scope.changes.append(JobChange(job: current, event: nil))
      }
      guard isWritten != nil else { return .unreadable }
    }
    repeated(current)
    return .repeated(current)
  }

  /// A job to be changed. One of which a part cannot be read has failed with this, where its status allows that.
  ///
  /// - Returns: `nil` when there is no such job, or nothing can be done with its row.
  private mutating func load(_ id: JobID) throws -> StoredJob? {
    do {
      guard let stored = try jobs.job(id) else { return nil }
      guard let damage = stored.damage else { return stored }
      return try unlessRefused(damage) { try $0.repaired(stored, damage) }
    } catch let row as UnreadableRow {
      try abandon(row)
      return nil
    }
  }

  /// Takes a row that could not be read out of everybody's way. One that can be read meanwhile is left alone.
  mutating func setAside(number: Int64) throws {
    // Who has read it has counted it.
    let counted = leftOut
    defer { leftOut = counted }
    do {
      guard let stored = try jobs.whole(number: number), let damage = stored.damage else { return }
      _ = try unlessRefused(damage) { try $0.repaired(stored, damage) }
    } catch let row as UnreadableRow {
      try abandon(row)
    }
  }

  /// A row that cannot even be written is left as it is, and counted: it must not hold up what is done beside it.
  ///
  /// - Returns: `nil` when the database does not take it; nothing of the work is done then.
  private mutating func unlessRefused<Answer>(
    _ what: String, _ work: (inout WriteScope) throws -> Answer
  ) throws -> Answer? {
    let db = db
    let before = self
    do {
      var answer: Answer?
      try db.inSavepoint {
        answer = try work(&self)
        return .commit
      }
      return answer
    } catch let error as DatabaseError {
      let reason = StoreError(error)
      guard case .unfit = reason else { throw error }
      self = before
      leftOut.append("\(what); \(reason)")
      return nil
    }
  }

  private mutating func repaired(_ stored: StoredJob, _ damage: String) throws -> StoredJob {
    try jobs.repair(stored)
    setAside.append(UnreadableRow(number: stored.number, reason: damage))
    let readable = StoredJob(number: stored.number, job: stored.job)
    var job = stored.job
    job.failUnreadable(damage, at: .now)
    guard job != stored.job else { return readable }
    try log(from: stored.job, to: job)
    try jobs.update(readable, to: job)
    try release(job.id)
    return StoredJob(number: stored.number, job: job)
  }

  private mutating func abandon(_ row: UnreadableRow) throws {
    _ = try unlessRefused(row.description) { scope in
      try scope.jobs.abandon(row, reason: "stored data cannot be read: \(row.reason)", at: .now)
      scope.setAside.append(row)
    }
  }

  mutating func update<Answer>(
    _ ids: [JobID], tenant: UUID?, _ change: (_ index: Int, _ job: inout Job) -> Answer
  ) throws -> [Answer?] {
    var touched: [JobID: (stored: StoredJob, current: Job)] = [:]
    var ended: [JobID] = []
    var answers: [Answer?] = []
    answers.reserveCapacity(ids.count)
    for (index, id) in ids.enumerated() {
      var entry = touched[id]
      if entry == nil, let stored = try load(id) { entry = (stored, stored.job) }
      guard let (stored, before) = entry, tenant == nil || tenant == before.tenantID else {
        answers.append(nil)
        continue
      }
      var job = before
      answers.append(change(index, &job))
      touched[id] = (stored, job)
      if job.status.isFinal, !before.status.isFinal { ended.append(id) }
      try log(from: before, to: job)
    }
    for (stored, current) in touched.values where stored.job != current {
      try jobs.update(stored, to: current)
    }
    for id in ended { try release(id) }
    return answers
  }

  /// The same, with each by itself once they cannot be changed together: one that the database does not take counts as not there.
  mutating func updateLeavingOut<Answer>(
    _ ids: [JobID], tenant: UUID?, _ change: (_ index: Int, _ job: inout Job) -> Answer
  ) throws -> [Answer?] {
    let known = leftOut
    if let answers = try unlessRefused("jobs", { try $0.update(ids, tenant: tenant, change) }) {
      return answers
    }
    leftOut = known
    var answers: [Answer?] = []
    for (index, id) in ids.enumerated() {
      let answer = try unlessRefused("job \(id)") { scope in
        try scope.update([id], tenant: tenant) { _, job in change(index, &job) }[0]
      }
      answers.append(answer ?? nil)
    }
    return answers
  }

  mutating func lock(_ request: LockRequest, at now: Timestamp) throws -> LockAnswer {
    guard let stored = try load(request.job), stored.job.status.isHeld,
      stored.job.attempt == request.attempt, stored.job.worker == request.worker
    else { return .refused(.fenced) }
    var job = stored.job
    let refusal =
      if let other = request.by {
        try locks.refusal(of: job, by: other) ?? job.lock(by: other, at: now)
      } else {
        job.unlock(at: now)
      }
    if let refusal { return .refused(refusal) }
    try log(from: stored.job, to: job)
    if job != stored.job { try jobs.update(stored, to: job) }
    return .done
  }

  /// Frees those that a job has kept locked.
  private mutating func release(_ holder: JobID) throws {
    for id in try locks.locked(by: holder) {
      guard let stored = try load(id) else { continue }
      var job = stored.job
      guard job.unlock(at: .now) == nil else { continue }
      _ = try unlessRefused("job \(id)") { scope in
        try scope.log(from: stored.job, to: job)
        try scope.jobs.update(stored, to: job)
      }
    }
  }

  private mutating func log(from before: Job, to job: Job) throws {
    let steps = TransitionStep.steps(from: before, to: job)
    for step in steps {
      changes.append(JobChange(job: job, event: try EventRow.append(step, of: job, to: db)))
    }
    if steps.isEmpty, before != job { changes.append(JobChange(job: job, event: nil)) }
  }

  mutating func delete(
    _ id: JobID, tenant: UUID?, at now: Timestamp, if condition: (Job) -> Bool
  ) throws -> Deletion {
    guard let stored = try load(id), tenant == nil || tenant == stored.job.tenantID else {
      return .unknown
    }
    guard stored.job.status.isDeletable, condition(stored.job) else { return .refused(stored.job) }
    try jobs.delete(stored, at: now)
    changes.append(JobChange(job: stored.job, event: nil, deleted: true))
    try release(id)
    return .deleted(stored.job)
  }
}
