public import Foundation
import GRDB
public import Jobs

extension StatusStore {
  /// Adds jobs, each unless it is there already: a repetition is no error. All of them in one transaction.
  ///
  /// - Parameter repeated: told of each job that was asked for again, while the transaction is open: what decides on that
  ///   job in a later transaction knows of it. It must be quick, and be harmless should the transaction fail.
  /// - Returns: what became of each, in the order of `jobs`.
  public func insert(
    _ jobs: [NewJob], repeated: @escaping @Sendable (Job) -> Void = { _ in }
  ) async throws(StoreError) -> [Insertion] {
    guard !jobs.isEmpty else { return [] }
    return try await writes.write(weight: jobs.count) { scope in
      try jobs.map { try scope.insert($0, repeated: repeated) }
    }
  }

  /// Adds jobs whose params are as they were submitted.
  public func insert(_ jobs: [Job]) async throws(StoreError) -> [Insertion] {
    try await insert(jobs.map { NewJob($0, submitted: $0.params) })
  }

  /// Changes jobs by a pure function, in one transaction: loads them, gives each to the function in the order of `ids`
  /// (a job that appears twice comes with its first change), writes what is different and logs the transitions.
  ///
  /// - Parameters:
  ///   - tenant: when given, other tenants' jobs count as not there.
  ///   - leavingOut: whether a job whose row does not take its change counts as not there, and is counted among the damage;
  ///     else the change of all of them fails with ``StoreError/unfit(_:)``.
  ///   - change: must do nothing but compute; it runs while the transaction is open, more than once maybe.
  /// - Returns: the function's answers in the order of `ids`; `nil` where there is no such job.
  public func update<Answer: Sendable>(
    _ ids: [JobID], tenant: UUID? = nil, leavingOut: Bool = false,
    _ change: @escaping @Sendable (_ index: Int, _ job: inout Job) -> Answer
  ) async throws(StoreError) -> [Answer?] {
    guard !ids.isEmpty else { return [] }
    return try await writes.write(weight: ids.count) { scope in
      guard leavingOut else { return try scope.update(ids, tenant: tenant, change) }
      return try scope.updateLeavingOut(ids, tenant: tenant, change)
    }
  }

  /// Deletes a job whose status allows it and leaves a tombstone, so that its id is never used again. Its idempotency
  /// key may be; its transitions stay in the log.
  ///
  /// - Parameters:
  ///   - tenant: when given, another tenant's job counts as not there.
  ///   - condition: asked about the job as it is in the transaction that deletes it; when it says no, the deletion is
  ///     refused. It must be quick, and must not wait.
  public func delete(
    _ id: JobID, tenant: UUID? = nil,
    if condition: @escaping @Sendable (Job) -> Bool = { _ in true }
  ) async throws(StoreError) -> Deletion {
    try await writes.write { scope in
      try scope.delete(id, tenant: tenant, at: .now, if: condition)
    }
  }

  /// Makes the waiting jobs of a queue count as ones without a ticket, as after a loss of the broker's queue; tells no one.
  ///
  /// - Parameters:
  ///   - time: jobs that have begun to wait later are left alone.
  ///   - condition: asked how many there are; nothing is done unless it says so.
  /// - Returns: how many jobs had a ticket.
  public func forgetTickets(
    in queue: JobQueueName, issuedBefore time: Timestamp,
    if condition: @escaping @Sendable (Int) -> Bool = { _ in true }
  ) async throws(StoreError) -> Int {
    try await writes.write { scope in
      let stale = """
        status = 'waiting' AND ticket_issued = 1 AND queue = ? AND updated_at <= ?
        """
      let arguments: StatementArguments = [queue.rawValue, time.milliseconds]
      let count = try Int.fetchOne(
        scope.db, sql: "SELECT count(*) FROM jobs WHERE \(stale)", arguments: arguments)
      guard let count, count > 0, condition(count) else { return 0 }
      try scope.db.execute(
        sql: "UPDATE jobs SET ticket_issued = 0 WHERE \(stale)", arguments: arguments)
      return scope.db.changesCount
    }
  }
}
