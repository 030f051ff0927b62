import Foundation
import GRDB
import Jobs

/// How much of its quotas a tenant uses.
struct QuotaUsage: Sendable {
  /// Jobs that have not begun.
  private(set) var waiting = 0
  /// Jobs that workers have.
  private(set) var running = 0
  private(set) var due: [DueKey: Int] = [:]
  private(set) var heldBack: [DueKey: Int] = [:]

  /// How many jobs a claim holds back in one transaction, until it looks no further in that one; sets, so a little more.
  static let mostHeldBack = 500
  /// How many candidates a claim looks at that has met one to be held back.
  static let setSize = 250

  /// - Parameter counts: whether jobs of a type count.
  init(of tenant: Int64, _ statement: Statement, counts: (Int64) -> Bool) throws {
    let rows = try Row.fetchCursor(statement, arguments: [tenant])
    while let row = try rows.next() {
      let key = CountKey(
        tenant: tenant, queue: try row.decode(atIndex: 0), type: try row.decode(atIndex: 1),
        code: try row.decode(atIndex: 2))
      if counts(key.type) { count(key, try row.decode(atIndex: 3)) }
    }
  }

  mutating func count(_ key: CountKey, _ change: Int) {
    let kind = DueKey(queue: key.queue, type: key.type)
    switch key.code {
    case StatusCode.due:
      due[kind, default: 0] += change
      waiting += change
    case StatusCode.heldBack:
      heldBack[kind, default: 0] += change
      waiting += change
    case 0, StatusCode.later: waiting += change
    case 3...6: running += change
    default: break
    }
  }

  static let tenant = "SELECT id FROM tenant WHERE number = ?"
  static let counts = """
    SELECT queue, type, status, jobs FROM job_count WHERE tenant = ? AND jobs > 0
    """
  static let holdBack = """
    UPDATE job SET status = 14 WHERE number IN (SELECT value FROM json_each(?)) AND status = 1
    """
  static let best = """
    SELECT number FROM job INDEXED BY job_held_back
    WHERE status = 14 AND tenant = ? AND queue = ? AND type = ?
    ORDER BY priority DESC, scheduled_at, number LIMIT ?
    """
  static let release = """
    UPDATE job SET status = 1 WHERE number IN (SELECT value FROM json_each(?)) AND status = 14
    """
  static let waitingTenants = """
    SELECT DISTINCT tenant FROM job INDEXED BY job_held_back WHERE status = 14
    """
}

/// Tenants that have as much as they may.
///
/// A tenant's job that a claim meets while the tenant runs as many as it may is held back: it is not due, no ticket is owed for
/// it, and no other claim meets it. What holds between transactions: where a tenant may run some more, the best of its
/// waiting jobs of each queue and type, as many as it may run, are due. Of each, since it is not known which workers there
/// are. So whenever a tenant runs fewer, or what was due is not, the best become due.
extension Transaction {
  /// The quota that has no room for a new job.
  func exceeded(by job: Job, _ tenant: Int64) throws -> ExceededQuota? {
    guard limitsWaiting, let limit = quotas[job.tenantID].waiting, !job.type.isReserved,
      job.status == .initializing || job.status == .waiting
    else { return nil }
    let used = try usage(of: tenant).waiting
    return used < limit ? nil : ExceededQuota(.waiting, limit: limit, used: used)
  }

  /// How a new job is stored: it is not even offered while its tenant may run no more.
  func initialCode(of job: Job, _ tenant: Int64, at now: Timestamp) throws -> Int {
    let code = StatusCode.code(of: job, at: now)
    guard code == StatusCode.due, limitsRunning, let limit = quotas[job.tenantID].running,
      !job.type.isReserved, try usage(of: tenant).running >= limit
    else { return code }
    return StatusCode.heldBack
  }

  /// Holds back those for which their tenants have no room, up to as many as a claim wants of others.
  ///
  /// - Returns: the others.
  func withoutExceeding(
    _ candidates: [Candidate], _ wanted: Int, _ queue: Int64
  ) throws -> [Candidate] {
    var granted: [Int64: Int] = [:]
    var allowed: [Candidate] = []
    var exceeding: [Candidate] = []
    for candidate in candidates where allowed.count < wanted {
      let tenant = candidate.tenant
      if isOwn(candidate.type) {
        allowed.append(candidate)
      } else if let limit = try quota(of: tenant).running,
        try usage(of: tenant).running + granted[tenant, default: 0] >= limit
      {
        exceeding.append(candidate)
      } else {
        granted[tenant, default: 0] += 1
        allowed.append(candidate)
      }
    }
    guard !exceeding.isEmpty else { return candidates }
    try execute(QuotaUsage.holdBack, [exceeding.map(\.number).json])
    for candidate in exceeding {
      let key = CountKey(
        tenant: candidate.tenant, queue: queue, type: candidate.type, code: StatusCode.due)
      count(key, -1)
      count(key.with(code: StatusCode.heldBack), 1)
    }
    let gone = Set(exceeding.map(\.number))
    return candidates.filter { !gone.contains($0.number) }
  }

  /// Makes jobs due again of those tenants that run fewer than before, or of which some are not due any more.
  func releaseHeldBack() throws {
    var ended: [Int64: Int] = [:]
    for (key, change) in effects.counts where !isOwn(key.type) {
      switch key.code {
      case StatusCode.due where change < 0: ended[key.tenant, default: 0] += 0
      case 3...6: ended[key.tenant, default: 0] -= change
      default: break
      }
    }
    for (tenant, count) in ended.sorted(by: { $0.key < $1.key }) {
      guard let limit = try quota(of: tenant).running else { continue }
      try releaseHeldBack(of: tenant, limit: limit, ended: max(0, count))
    }
  }

  func hasHeldBack() throws -> Bool {
    try Int64.fetchOne(statement(QuotaUsage.waitingTenants)) != nil
  }

  /// At the start: the quotas may be others than before.
  func releaseAllHeldBack() throws {
    for tenant in try Int64.fetchAll(statement(QuotaUsage.waitingTenants)) {
      try releaseHeldBack(of: tenant, limit: try quota(of: tenant).running ?? .max, ended: 0)
    }
  }

  private func releaseHeldBack(of tenant: Int64, limit: Int, ended: Int) throws {
    let usage = try usage(of: tenant)
    let free = limit - usage.running
    guard free > 0 else { return }
    for (kind, heldBack) in usage.heldBack where heldBack > 0 {
      let missing = max(free - (usage.due[kind] ?? 0), min(ended, free))
      guard missing > 0 else { continue }
      let numbers = try Int64.fetchAll(
        statement(QuotaUsage.best),
        arguments: [tenant, kind.queue, kind.type, min(missing, heldBack)])
      guard !numbers.isEmpty else { continue }
      try execute(QuotaUsage.release, [numbers.json])
      let key = CountKey(
        tenant: tenant, queue: kind.queue, type: kind.type, code: StatusCode.heldBack)
      count(key, -numbers.count)
      count(key.with(code: StatusCode.due), numbers.count)
      try noteDue(kind, numbers.count)
    }
  }
}
