import Foundation
import GRDB
import Jobs

/// What workers do with the store: make themselves known, claim, are lost.
extension Transaction {
  // MARK: Registration

  func register(
    _ registration: WorkerRegistration, at now: Timestamp
  ) throws -> [Job.Attestation] {
    try execute(
      Claims.register,
      [
        try worker(registration.worker).databaseValue, registration.epoch.databaseValue,
      ])
    return try registration.running.map { attempt in
      let kept = try unlessRefused("job \(attempt.job)") { () -> Job.Attestation in
        guard let stored = try load(attempt.job, at: now) else { return .fenced }
        var job = stored.job
        let attestation = job.attest(
          attempt: attempt.attempt, by: registration.worker, at: now)
        try write(stored, job, at: now)
        return attestation
      }
      return kept ?? .fenced
    }
  }

  private func isRegistered(_ worker: WorkerID, epoch: Int64) throws -> Int64? {
    guard let number = try knownWorker(worker) else { return nil }
    let known = try Int64.fetchOne(
      statement(Claims.epoch), arguments: [number])
    return known == epoch ? number : nil
  }

  func lose(
    _ worker: WorkerID, except kept: Set<RunningAttempt>, poisonLimit: Int, at now: Timestamp
  ) throws -> [RunningAttempt] {
    guard let holder = try knownWorker(worker) else { return [] }
    try execute(Claims.forget, [holder.databaseValue])
    let numbers = try Int64.fetchAll(statement(Claims.held), arguments: [holder])
    var lost: [RunningAttempt] = []
    for number in numbers {
      _ = try unlessRefused("row \(number)") {
        guard let stored = try load(number: number, at: now), stored.job.status.isHeld else {
          return
        }
        let attempt = RunningAttempt(job: stored.job.id, attempt: stored.job.attempt)
        guard stored.job.status == .canceling || !kept.contains(attempt) else { return }
        var job = stored.job
        job.loseWorker(at: now, poisonLimit: poisonLimit)
        try write(stored, job, at: now)
        lost.append(attempt)
      }
    }
    return lost
  }

  // MARK: Claims

  func claim(_ request: ClaimRequest, bytes: Int, at now: Timestamp) throws -> ClaimOutcome {
    guard let worker = try isRegistered(request.worker, epoch: request.epoch) else {
      return ClaimOutcome(answer: ClaimAnswer(jobs: [], rest: .unregistered))
    }
    guard let queue = try knownQueue(request.queue) else {
      return ClaimOutcome(answer: ClaimAnswer(jobs: [], rest: .void))
    }
    let types = Set(try request.types.compactMap { try knownType($0) })
    var granted: [JobAssignment] = []
    if request.isRepeated {
      let numbers = try Int64.fetchAll(
        statement(Claims.granted), arguments: [worker, request.claim])
      granted = try assignments(numbers, at: now)
    }
    var room = bytes - granted.reduce(0) { $0 + $1.payloadSize }
    var isFull = false
    var heldBack = 0
    var isCut = false
    // Rows that cannot be read make room for others.
    while granted.count < request.count, !isFull {
      let wanted = request.count - granted.count
      guard heldBack < QuotaUsage.mostHeldBack else {
        isCut = true
        break
      }
      // Behind one of a tenant that may run no more, there often are others.
      let looked = heldBack == 0 ? wanted : max(wanted, QuotaUsage.setSize)
      var candidates = try candidates(looked, queue, types)
      guard !candidates.isEmpty else { break }
      if limitsRunning {
        let before = candidates.count
        candidates = try withoutExceeding(candidates, wanted, queue)
        heldBack += before - candidates.count
        candidates = Array(candidates.prefix(wanted))
        guard !candidates.isEmpty else { continue }
      }
      var numbers: [Int64] = []
      for candidate in candidates {
        guard granted.isEmpty && numbers.isEmpty || candidate.size <= room else {
          isFull = true
          break
        }
        room -= candidate.size
        numbers.append(candidate.number)
      }
      guard !numbers.isEmpty else { break }
      granted += try start(numbers, by: (worker, request), at: now)
    }
    let rest: ClaimAnswer.Rest =
      if granted.count >= request.count {
        .void
      } else if isFull || isCut {
        .again
      } else {
        dueTypes(queue).isEmpty ? .void : .park
      }
    return ClaimOutcome(answer: ClaimAnswer(jobs: granted, rest: rest), isCut: isCut)
  }

  struct Candidate {
    let number: Int64
    let tenant: Int64
    let type: Int64
    let priority: Int
    let scheduledAt: Int64
    let size: Int
  }

  /// The best of those that are due: an index gives those of one type in their order.
  private func candidates(
    _ count: Int, _ queue: Int64, _ types: Set<Int64>
  ) throws -> [Candidate] {
    let due = dueTypes(queue).intersection(types)
    var candidates: [Candidate] = []
    for type in due {
      let rows = try Row.fetchCursor(
        statement(Claims.candidates), arguments: [queue, type, count])
      while let row = try rows.next() {
        candidates.append(
          Candidate(
            number: try row.decode(atIndex: 0), tenant: try row.decode(atIndex: 4), type: type,
            priority: try row.decode(atIndex: 1), scheduledAt: try row.decode(atIndex: 2),
            size: try row.decode(atIndex: 3)))
      }
    }
    guard due.count > 1 else { return candidates }
    candidates.sort {
      ($1.priority, $0.scheduledAt, $0.number) < ($0.priority, $1.scheduledAt, $1.number)
    }
    return Array(candidates.prefix(count))
  }

  /// Gives jobs that are due to a worker: what `Job.start` does, for a set.
  private func start(
    _ numbers: [Int64], by holder: (number: Int64, request: ClaimRequest), at now: Timestamp
  ) throws -> [JobAssignment] {
    let rows = try Row.fetchCursor(
      statement(Claims.start),
      arguments: StatementArguments([
        numbers.json, holder.number.databaseValue, holder.request.claim.databaseValue,
        now.milliseconds.databaseValue,
      ]))
    // They come in the table's order, and are told of in that of the claim.
    var started: [Int64: Row] = [:]
    while let row = try rows.next() { started[try row.decode(atIndex: 0)] = row.copy() }
    for number in numbers {
      guard let row = started[number] else { continue }
      let (tenant, type, queue): (Int64, Int64, Int64) = (
        try row.decode(atIndex: 2), try row.decode(atIndex: 3), try row.decode(atIndex: 4)
      )
      count(CountKey(tenant: tenant, queue: queue, type: type, code: StatusCode.due), -1)
      count(CountKey(tenant: tenant, queue: queue, type: type, code: StatusCode.running), 1)
      let change = StatusChange(
        from: .waiting, to: .running, attempt: try row.decode(atIndex: 5),
        worker: holder.request.worker)
      log(
        change, of: number, id: JobID(try row.decode(atIndex: 1)), type: try typeName(type),
        queue: try queueName(queue),
        at: Timestamp(milliseconds: try row.decode(atIndex: 6)), worker: holder.number)
    }
    return try assignments(numbers, at: now)
  }

  /// What a worker is told of its jobs. One that cannot be read fails with that, and is not among them.
  private func assignments(_ numbers: [Int64], at now: Timestamp) throws -> [JobAssignment] {
    guard !numbers.isEmpty else { return [] }
    var assignments: [JobAssignment] = []
    var unreadable: [Int64] = []
    let rows = try Row.fetchCursor(
      statement(Claims.assignments), arguments: StatementArguments([numbers.json]))
    while let row = try rows.next() {
      do {
        assignments.append(try assignment(row))
      } catch {
        unreadable.append(try row.decode(atIndex: 0))
      }
    }
    for number in unreadable { try setAside(number: number, at: now) }
    return assignments
  }

  private func assignment(_ row: Row) throws -> JobAssignment {
    guard let params = try row.decode(Data?.self, atIndex: 8) else {
      throw StoreError.corrupt("the params are missing")
    }
    return JobAssignment(
      job: JobID(try row.decode(UUID.self, atIndex: 1)),
      type: try typeName(try row.decode(atIndex: 2)), attempt: try row.decode(atIndex: 3),
      retries: try row.decode(atIndex: 4), maxRetries: try row.decode(atIndex: 5),
      tenant: try row.decode(atIndex: 10),
      user: try row.decode(UUID?.self, atIndex: 6) ?? .zero,
      params: JSONPayload(bytes: params),
      timeout: .milliseconds(try row.decode(Int64.self, atIndex: 7)),
      snapshot: try row.decode(Data?.self, atIndex: 9).map { JSONPayload(bytes: $0) },
      context: try Job.context(try row.decode(Data?.self, atIndex: 11)),
      createdAt: Timestamp(milliseconds: try row.decode(atIndex: 12)),
      scheduledAt: Timestamp(milliseconds: try row.decode(atIndex: 13)))
  }

  // MARK: Jobs for later

  func promote(at now: Timestamp, limit: Int) throws -> Timestamp? {
    let rows = try Row.fetchCursor(
      statement(Claims.ripe), arguments: [now.milliseconds, max(0, limit)])
    var numbers: [Int64] = []
    while let row = try rows.next() {
      numbers.append(try row.decode(atIndex: 0))
      let (tenant, type, queue): (Int64, Int64, Int64) = (
        try row.decode(atIndex: 1), try row.decode(atIndex: 2), try row.decode(atIndex: 3)
      )
      count(CountKey(tenant: tenant, queue: queue, type: type, code: StatusCode.later), -1)
      count(CountKey(tenant: tenant, queue: queue, type: type, code: StatusCode.due), 1)
      try noteDue(DueKey(queue: queue, type: type))
    }
    if !numbers.isEmpty { try execute(Claims.promote, [numbers.json]) }
    return try Int64.fetchOne(statement(Claims.next)).map(Timestamp.init(milliseconds:))
  }
}

/// What came of a claim.
struct ClaimOutcome: Sendable {
  let answer: ClaimAnswer
  /// Whether it ended because it had held back as many jobs as one transaction may.
  var isCut = false
}

enum Claims {
  static let register = """
    INSERT INTO registered_worker (worker, epoch) VALUES (?, ?)
    ON CONFLICT DO UPDATE SET epoch = max(epoch, excluded.epoch)
    """
  static let epoch = "SELECT epoch FROM registered_worker WHERE worker = ?"
  static let forget = "DELETE FROM registered_worker WHERE worker = ?"
  static let held = """
    SELECT number FROM job INDEXED BY job_held
    WHERE worker = ? AND status BETWEEN 3 AND 6 ORDER BY id
    """
  static let granted = """
    SELECT number FROM job INDEXED BY job_held
    WHERE worker = ? AND status BETWEEN 3 AND 6 AND status = 3 AND claim = ?
    ORDER BY priority DESC, scheduled_at, number
    """
  static let candidates = """
    SELECT number, priority, scheduled_at, size + snapshot_size, tenant
    FROM job INDEXED BY job_due
    WHERE status = 1 AND queue = ? AND type = ? ORDER BY priority DESC, scheduled_at, number
    LIMIT ?
    """
  static let start = """
    UPDATE job SET status = 3, attempt = attempt + 1, worker = ?2, claim = ?3,
      started_at = coalesce(started_at, ?4), attempt_started_at = ?4,
      updated_at = max(updated_at, ?4), details = NULL,
      eta = CASE WHEN timeout > 0 THEN ?4 + timeout END
    WHERE number IN (SELECT value FROM json_each(?1)) AND status = 1
    RETURNING number, id, tenant, type, queue, attempt, updated_at
    """
  static let assignments = """
    SELECT j.number, j.id, j.type, j.attempt, j.retries, j.max_retries, j.user, j.timeout,
      p.params, p.snapshot, t.id, p.context, j.created_at, j.scheduled_at
    FROM json_each(?) n CROSS JOIN job j ON j.number = n.value
      CROSS JOIN tenant t ON t.number = j.tenant LEFT JOIN payload p ON p.number = j.number
    """
  static let ripe = """
    SELECT number, tenant, type, queue FROM job INDEXED BY job_later
    WHERE status = 13 AND scheduled_at <= ? ORDER BY scheduled_at, number LIMIT ?
    """
  static let promote = """
    UPDATE job SET status = 1 WHERE number IN (SELECT value FROM json_each(?)) AND status = 13
    """
  static let next = """
    SELECT scheduled_at FROM job INDEXED BY job_later WHERE status = 13
    ORDER BY scheduled_at LIMIT 1
    """
}
