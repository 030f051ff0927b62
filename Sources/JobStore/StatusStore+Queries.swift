public import Foundation
import GRDB
public import Jobs

extension StatusStore {
  /// The job with this id; `nil` when there is none, or when it is another tenant's and `tenant` is given.
  public func job(_ id: JobID, tenant: UUID? = nil) async throws(StoreError) -> Job? {
    let job = try await read { db in try JobStatements(db).job(id)?.job }
    return tenant == nil || tenant == job?.tenantID ? job : nil
  }

  /// The jobs with these ids, as far as there are any.
  public func jobs(_ ids: [JobID]) async throws(StoreError) -> [JobID: Job] {
    guard !ids.isEmpty else { return [:] }
    return try await read { db in
      let statements = JobStatements(db)
      var jobs: [JobID: Job] = [:]
      for id in ids where jobs[id] == nil { jobs[id] = try statements.job(id)?.job }
      return jobs
    }
  }

  /// The job that a tenant asked for under this key.
  public func job(idempotencyKey: UUID, tenant: UUID) async throws(StoreError) -> Job? {
    try await read { db in
      try JobStatements(db).job(idempotencyKey: idempotencyKey, tenant: tenant)?.job
    }
  }

  /// One page of a list, with the true total; both from the same moment. A page past the end is empty.
  public func list(_ query: JobQuery) async throws(StoreError) -> JobPage {
    try await read { db in
      let counts = try JobCounts.byStatus(query, db)
      let total = counts.values.reduce(0, +)
      let (offset, overflow) = (query.page - 1).multipliedReportingOverflow(by: query.pageSize)
      var jobs: [Job] = []
      if !overflow, offset < total {
        let plan = ListPlan(
          query, statuses: counts.keys.sorted { $0.rawValue < $1.rawValue },
          limit: min(query.pageSize, total - offset), offset: offset)
        let statements = JobStatements(db)
        jobs = try plan.numbers(db).compactMap { try statements.job(number: $0)?.job }
      }
      return JobPage(jobs: jobs, total: total, page: query.page, pageSize: query.pageSize)
    }
  }

  /// Waiting jobs that are due and have no ticket: the longest due first, then by id.
  public func due(at now: Timestamp, limit: Int) async throws(StoreError) -> [Job] {
    try await read { db in
      try JobRow.fetchAll(
        db.cachedStatement(sql: DispatchQueries.due), [now.milliseconds, max(0, limit)])
    }
  }

  /// When the next of the waiting jobs without a ticket becomes due, after `now`.
  public func nextDue(after now: Timestamp) async throws(StoreError) -> Timestamp? {
    try await read { db in
      try Int64.fetchOne(
        db.cachedStatement(sql: DispatchQueries.nextDue), arguments: [now.milliseconds]
      ).map(Timestamp.init(milliseconds:))
    }
  }

  /// The jobs that a worker holds, by id: the first `limit` after the given id.
  public func jobs(
    heldBy worker: WorkerID, after id: JobID?, limit: Int
  ) async throws(StoreError) -> [Job] {
    try await read { db in
      let numbers = try Int64.fetchAll(
        db.cachedStatement(sql: JobCounts.heldBySQL),
        arguments: [worker.rawValue, (id ?? JobID(.zero)).uuid, max(0, limit)])
      let statements = JobStatements(db)
      return try numbers.compactMap { try statements.job(number: $0)?.job }
    }
  }

  /// The jobs in any of the statuses, by id: the first `limit` after the given id.
  public func jobs(
    in statuses: Set<JobStatus>, after id: JobID?, limit: Int
  ) async throws(StoreError) -> [Job] {
    guard !statuses.isEmpty, limit > 0 else { return [] }
    return try await read { db in
      let plan = RecoveryPlan(statuses: statuses, after: id, limit: limit)
      let statements = JobStatements(db)
      return try plan.numbers(db).compactMap { try statements.job(number: $0)?.job }
    }
  }
}
