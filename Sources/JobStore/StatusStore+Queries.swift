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
    let jobs = try await readJobs { db in
      let statements = JobStatements(db)
      var found = ReadJobs()
      for id in Set(ids) { try found.add(includesDamaged: true) { try statements.job(id) } }
      return found
    }
    return Dictionary(uniqueKeysWithValues: jobs.map { ($0.id, $0) })
  }

  /// The job that a tenant asked for under this key.
  public func job(idempotencyKey: UUID, tenant: UUID) async throws(StoreError) -> Job? {
    try await read { db in
      try JobStatements(db).job(idempotencyKey: idempotencyKey, tenant: tenant)?.job
    }
  }

  /// One page of a list, with the true total; both from the same moment. A page past the end is empty. Of a job whose
  /// stored data cannot be read, the page shows what can; rows that say nothing are left out.
  public func list(_ query: JobQuery) async throws(StoreError) -> JobPage {
    let (total, found) = try await read { db in
      let counts = try JobCounts.byStatus(query, db)
      let total = counts.values.reduce(0, +)
      let (offset, overflow) = (query.page - 1).multipliedReportingOverflow(by: query.pageSize)
      var found = ReadJobs()
      if !overflow, offset < total {
        let plan = ListPlan(
          query, statuses: counts.keys.sorted { $0.rawValue < $1.rawValue },
          limit: min(query.pageSize, total - offset), offset: offset)
        let statements = JobStatements(db)
        for number in try plan.numbers(db) {
          try found.add(includesDamaged: true) { try statements.job(number: number) }
        }
      }
      return (total, found)
    }
    await setAside(found.damaged)
    return JobPage(jobs: found.jobs, total: total, page: query.page, pageSize: query.pageSize)
  }

  /// Waiting jobs that are due and have no ticket: the longest due first, then by id.
  ///
  /// - Parameter queues: those whose jobs are not wanted now.
  public func due(
    at now: Timestamp, limit: Int, except queues: Set<JobQueueName> = []
  ) async throws(StoreError) -> [Job] {
    guard limit > 0 else { return [] }
    return try await readJobs { db in
      let statement = try db.cachedStatement(sql: DispatchQueries.due(except: queues.count))
      let rows = try Row.fetchCursor(
        statement, arguments: [now.milliseconds] + DispatchQueries.arguments(queues) + [-1])
      var found = ReadJobs()
      while found.jobs.count < limit, let row = try rows.next() {
        try found.add(includesDamaged: false) { try JobRow.decode(row) }
      }
      return found
    }
  }

  /// When the next of the waiting jobs without a ticket becomes due, after `now`.
  ///
  /// - Parameter queues: those whose jobs do not count.
  public func nextDue(
    after now: Timestamp, except queues: Set<JobQueueName> = []
  ) async throws(StoreError) -> Timestamp? {
    try await read { db in
      try Int64.fetchOne(
        db.cachedStatement(sql: DispatchQueries.nextDue(except: queues.count)),
        arguments: [now.milliseconds] + DispatchQueries.arguments(queues)
      ).map(Timestamp.init(milliseconds:))
    }
  }

  /// The jobs that a worker holds, by id: the first `limit` after the given id.
  public func jobs(
    heldBy worker: WorkerID, after id: JobID?, limit: Int
  ) async throws(StoreError) -> [Job] {
    try await readJobs { db in
      let numbers = try Int64.fetchCursor(
        db.cachedStatement(sql: JobCounts.heldBySQL),
        arguments: [worker.rawValue, (id ?? JobID(.zero)).uuid, -1])
      return try Self.jobs(numbers, limit: limit, db)
    }
  }

  /// The jobs in any of the statuses, by id: the first `limit` after the given id.
  public func jobs(
    in statuses: Set<JobStatus>, after id: JobID?, limit: Int
  ) async throws(StoreError) -> [Job] {
    guard !statuses.isEmpty, limit > 0 else { return [] }
    return try await readJobs { db in
      let plan = RecoveryPlan(statuses: statuses, after: id, limit: -1)
      let numbers = try Int64.fetchCursor(
        db.makeStatement(sql: plan.sql), arguments: plan.arguments)
      return try Self.jobs(numbers, limit: limit, db)
    }
  }

  /// The first jobs that can be read: were the unreadable ones counted, a batch of them would look like the end.
  private static func jobs(
    _ numbers: some DatabaseCursor<Int64>, limit: Int, _ db: Database
  ) throws -> ReadJobs {
    let statements = JobStatements(db)
    var found = ReadJobs()
    while found.jobs.count < limit, let number = try numbers.next() {
      try found.add(includesDamaged: false) { try statements.job(number: number) }
    }
    return found
  }
}
