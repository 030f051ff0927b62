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
    let all = try attempt { try applyAll(reports, plain, chances, at: now) }
    if case .success(let decisions) = all { return decisions }
    return try zip(reports, chances).map { report, chance in
      switch try attempt({ try apply(report, chance, at: now) }) {
      case .success(let decision): return decision
      case .failure(let reason):
        try failUnstorable(report, reason, at: now)
        return .refused("\(reason)")
      }
    }
  }

  private func applyAll(
    _ reports: [JobReport], _ plain: [Bool], _ chances: [Double], at now: Timestamp
  ) throws -> [Job.ReportDecision] {
    var decisions: [Job.ReportDecision] = []
    decisions.reserveCapacity(reports.count)
    while decisions.count < reports.count {
      let first = decisions.count
      let set = completions(reports, plain, from: first)
      if set.isEmpty {
        decisions.append(try apply(reports[first], chances[first], at: now))
      } else {
        decisions += try complete(Array(zip(reports[set], chances[set])), at: now)
      }
    }
    return decisions
  }

  /// Reports that follow each other, all of them of completions, and each of another job.
  private func completions(
    _ reports: [JobReport], _ plain: [Bool], from first: Int
  ) -> Range<Int> {
    var jobs: Set<JobID> = []
    let end = min(reports.count, first + Reports.setSize)
    let last = (first..<end).first { !plain[$0] || !jobs.insert(reports[$0].job).inserted }
    return first..<(last ?? end)
  }

  private func apply(
    _ report: JobReport, _ chance: Double, at now: Timestamp
  ) throws -> Job.ReportDecision {
    guard let stored = try load(report.job, at: now) else { return .fenced }
    var job = stored.job
    let decision = job.apply(report, at: now, chance: chance)
    try write(stored, job, at: now)
    if decision == .applied, case .log(let set) = report.content {
      try keep(set, of: stored.number, attempt: report.attempt)
    }
    return decision
  }

  /// A job whose attempt runs, as far as its end needs it.
  private struct Running {
    let number: Int64
    let key: CountKey
    let attempt: Int
    let worker: Int64
    let hasReplies: Bool
    let updatedAt: Int64
    let reason: String?
    let hasSnapshot: Bool
  }

  /// What `Job.apply` does with outcomes of running attempts that have completed, without reading the jobs: damaged params do
  /// not keep a job from completing. What is anything else goes through `Job.apply`.
  private func complete(
    _ reports: [(report: JobReport, chance: Double)], at now: Timestamp
  ) throws -> [Job.ReportDecision] {
    let running = try running(reports.map(\.report.job))
    let hasLocks = try hasLocks()
    var completed: [Int64] = []
    let decisions = try reports.map { report, chance in
      guard case .ended(.completed(let result)) = report.content,
        let job = running[report.job], job.attempt == report.attempt,
        try knownWorker(report.worker) == job.worker,
        // What cannot be read is dealt with where the whole job is.
        let type = try? typeName(job.key.type), let queue = try? queueName(job.key.queue),
        try keep(result, of: job)
      else { return try apply(report, chance, at: now) }
      completed.append(job.number)
      count(job.key, -1)
      count(job.key.with(code: StatusCode.completed), 1)
      log(
        StatusChange(
          from: .running, to: .completed, attempt: report.attempt, worker: report.worker,
          reason: job.reason),
        of: job.number, id: report.job, type: type, queue: queue,
        at: max(now, Timestamp(milliseconds: job.updatedAt)), worker: job.worker)
      if job.hasReplies { noteReplies() }
      if hasLocks { try release(lockedBy: report.job, at: now) }
      return .applied
    }
    if !completed.isEmpty {
      try execute(Reports.complete, [completed.json, now.milliseconds.databaseValue])
    }
    return decisions
  }

  /// - Returns: `false` where the job has no payload.
  private func keep(_ result: JSONPayload?, of job: Running) throws -> Bool {
    guard result != nil || job.hasSnapshot else { return true }
    try execute(
      Reports.result, [job.number.databaseValue, result?.bytes.databaseValue ?? .null])
    return db.changesCount == 1
  }

  private func running(_ jobs: [JobID]) throws -> [JobID: Running] {
    var ids = jobs.map(\.uuid.databaseValue)
    ids += repeatElement(.null, count: Reports.setSize - ids.count)
    let rows = try Row.fetchCursor(statement(Reports.running), arguments: StatementArguments(ids))
    var running: [JobID: Running] = [:]
    while let row = try rows.next() {
      let key = CountKey(
        tenant: try row.decode(atIndex: 2), queue: try row.decode(atIndex: 4),
        type: try row.decode(atIndex: 3), code: StatusCode.running)
      running[JobID(try row.decode(UUID.self, atIndex: 0))] = Running(
        number: try row.decode(atIndex: 1), key: key, attempt: try row.decode(atIndex: 5),
        worker: try row.decode(atIndex: 6), hasReplies: try row.decode(Int.self, atIndex: 7) != 0,
        updatedAt: try row.decode(atIndex: 8), reason: try row.decode(atIndex: 9),
        hasSnapshot: try row.decode(Int.self, atIndex: 10) > 0)
    }
    return running
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
      try apply(failure, 0, at: now)
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
  /// How many completions are decided at once.
  static let setSize = 32
  static let running = """
    SELECT id, number, tenant, type, queue, attempt, worker, replies, updated_at, details,
      snapshot_size
    FROM job WHERE status = \(StatusCode.running) AND worker IS NOT NULL
      AND id IN (\(repeatElement("?", count: setSize).joined(separator: ", ")))
    """
  static let complete = """
    UPDATE job SET status = \(StatusCode.completed), progress = 100, error = NULL, eta = NULL,
      locked_by = NULL, snapshot_size = 0, updated_at = max(updated_at, ?2)
    WHERE number IN (SELECT value FROM json_each(?1))
    """
  static let result = "UPDATE payload SET result = ?2, snapshot = NULL WHERE number = ?1"
}
