import Foundation
import GRDB
import Jobs

/// What one piece of a transaction works with: the connection, and the list of what it changed.
struct WriteScope {
  let db: Database
  private(set) var changes: [JobChange] = []
  private let jobs: JobStatements
  private let locks: LockStatements

  init(_ db: Database) {
    self.db = db
    jobs = JobStatements(db)
    locks = LockStatements(db)
  }

  mutating func insert(_ job: Job) throws -> Insertion {
    if try jobs.isTombstoned(job.id) { return .deleted }
    if try jobs.insert(job) {
      let event = try EventRow.append(.creation(of: job), of: job, to: db)
      changes.append(JobChange(job: job, event: event))
      return .created(job)
    }
    if let existing = try jobs.job(job.id)?.job {
      let isSame =
        existing.tenantID == job.tenantID && existing.idempotencyKey == job.idempotencyKey
      return isSame && Self.isSameContent(existing, job)
        ? .repeated(existing) : .conflict(existing: existing)
    }
    guard
      let existing = try jobs.job(idempotencyKey: job.idempotencyKey, tenant: job.tenantID)?.job
    else {
      throw StoreError.corrupt("job \(job.id) is neither new nor there")
    }
    return Self.isSameContent(existing, job) ? .repeated(existing) : .conflict(existing: existing)
  }

  /// Compared as text: what was stored has been through it.
  private static func isSameContent(_ existing: Job, _ job: Job) -> Bool {
    existing.type == job.type && existing.params.text == job.params.text
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
      if entry == nil, let stored = try jobs.job(id) { entry = (stored, stored.job) }
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

  mutating func lock(_ request: LockRequest, at now: Timestamp) throws -> LockAnswer {
    guard let stored = try jobs.job(request.job), stored.job.status.isHeld,
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
      guard let stored = try jobs.job(id) else { continue }
      var job = stored.job
      guard job.unlock(at: .now) == nil else { continue }
      try log(from: stored.job, to: job)
      try jobs.update(stored, to: job)
    }
  }

  private mutating func log(from before: Job, to job: Job) throws {
    let steps = TransitionStep.steps(from: before, to: job)
    for step in steps {
      changes.append(JobChange(job: job, event: try EventRow.append(step, of: job, to: db)))
    }
    if steps.isEmpty, before != job { changes.append(JobChange(job: job, event: nil)) }
  }

  mutating func delete(_ id: JobID, tenant: UUID?, at now: Timestamp) throws -> Deletion {
    guard let stored = try jobs.job(id), tenant == nil || tenant == stored.job.tenantID else {
      return .unknown
    }
    guard stored.job.status.isDeletable else { return .refused(stored.job) }
    try jobs.delete(stored, at: now)
    changes.append(JobChange(job: stored.job, event: nil, deleted: true))
    try release(id)
    return .deleted(stored.job)
  }
}
