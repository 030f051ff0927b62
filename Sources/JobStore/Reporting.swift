import Foundation
import GRDB
import Jobs

/// What workers tell of their jobs.
extension Transaction {
  /// Applies reports in their order: together, or each by itself when the database does not take them all.
  ///
  /// - Parameter plain: of each, whether it is ``Jobs/JobReport/isPlainCompletion``.
  func report(
    _ reports: [JobReport], _ plain: [Bool], chances: [Double], at now: Timestamp
  ) throws -> [Job.ReportDecision] {
    let hasLocks = try hasLocks()
    let all = try attempt {
      try reports.indices.map {
        try apply(reports[$0], isPlain: plain[$0], chances[$0], hasLocks, at: now)
      }
    }
    if case .success(let decisions) = all { return decisions }
    return try reports.indices.map { index in
      let report = reports[index]
      switch try attempt({
        try apply(report, isPlain: plain[index], chances[index], hasLocks, at: now)
      }) {
      case .success(let decision): return decision
      case .failure(let reason):
        try failUnstorable(report, reason, at: now)
        return .refused("\(reason)")
      }
    }
  }

  private func apply(
    _ report: JobReport, isPlain: Bool, _ chance: Double, _ hasLocks: Bool, at now: Timestamp
  ) throws -> Job.ReportDecision {
    if isPlain, case .ended(.completed(let result)) = report.content,
      try complete(report, result, at: now)
    {
      if hasLocks { try release(lockedBy: report.job, at: now) }
      return .applied
    }
    guard let stored = try load(report.job, at: now) else { return .fenced }
    var job = stored.job
    let decision = job.apply(report, at: now, chance: chance)
    try write(stored, job, at: now)
    return decision
  }

  /// What `Job.apply` does with the outcome of a running attempt that has completed, without reading the job.
  ///
  /// - Returns: `false` when the job is anything else; nothing is done then.
  private func complete(
    _ report: JobReport, _ result: JSONPayload?, at now: Timestamp
  ) throws -> Bool {
    guard let worker = try knownWorker(report.worker) else { return false }
    let rows = try Row.fetchCursor(
      statement(Reports.complete),
      arguments: StatementArguments([
        report.job.uuid.databaseValue, report.attempt.databaseValue, worker.databaseValue,
        now.milliseconds.databaseValue,
      ]))
    let found = try withExtendedLifetime(rows) {
      try rows.next().map { row in
        (
          number: try row.decode(Int64.self, atIndex: 0),
          tenant: try row.decode(Int64.self, atIndex: 1),
          type: try row.decode(Int64.self, atIndex: 2),
          queue: try row.decode(Int64.self, atIndex: 3),
          hasReplies: try row.decode(Int.self, atIndex: 4) != 0,
          updatedAt: try row.decode(Int64.self, atIndex: 5),
          reason: try row.decode(String?.self, atIndex: 6),
          snapshotSize: try row.decode(Int.self, atIndex: 7)
        )
      }
    }
    guard let found else { return false }
    if result != nil || found.snapshotSize > 0 {
      try execute(
        Reports.result, [found.number.databaseValue, result?.bytes.databaseValue ?? .null])
    }
    for (code, change) in [(StatusCode.running, -1), (StatusCode.completed, 1)] {
      count(
        CountKey(tenant: found.tenant, queue: found.queue, type: found.type, code: code), change)
    }
    log(
      StatusChange(
        from: .running, to: .completed, attempt: report.attempt, worker: report.worker,
        reason: found.reason),
      of: found.number, id: report.job, type: try typeName(found.type),
      queue: try queueName(found.queue), at: Timestamp(milliseconds: found.updatedAt),
      worker: worker)
    if found.hasReplies { noteReplies() }
    return true
  }

  /// A job must not run again because what it has come to cannot be stored.
  private func failUnstorable(
    _ report: JobReport, _ reason: StoreError, at now: Timestamp
  ) throws {
    guard case .ended = report.content else { return }
    let failure = JobReport(
      job: report.job, attempt: report.attempt, worker: report.worker,
      content: .ended(
        .failed(
          error: "what the attempt came to cannot be stored: \(reason)", permanent: true)))
    _ = try unlessRefused("job \(report.job)") {
      try apply(failure, isPlain: false, 0, true, at: now)
    }
  }
}

extension JobReport {
  /// It says that its attempt has completed, with a result that can be read: that comes from a program that may not be
  /// ours, and whoever asks for the job has to be able to read it.
  var isPlainCompletion: Bool {
    guard case .ended(.completed(let result)) = content else { return false }
    guard let result else { return true }
    return (try? result.value()) != nil
  }
}

enum Reports {
  static let complete = """
    UPDATE job SET status = 12, progress = 100, error = NULL, eta = NULL, locked_by = NULL,
      updated_at = max(updated_at, ?4)
    WHERE id = ?1 AND attempt = ?2 AND worker = ?3 AND status = 3
    RETURNING number, tenant, type, queue, replies, updated_at, details, snapshot_size
    """
  static let result = "UPDATE payload SET result = ?2, snapshot = NULL WHERE number = ?1"
}
