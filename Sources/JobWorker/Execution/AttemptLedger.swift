import Jobs

/// What a worker has: the attempts that it runs, the outcomes that it has reported, and what it was told of jobs that it may
/// be about to get. A pure value; whoever holds it does what it says.
///
/// A job is here once, mostly. A later attempt of a job that is here already means that the earlier one is no longer the
/// job's, and has to stop.
///
/// `Attempt` is how its holder reaches a running one.
struct AttemptLedger<Attempt: Sendable>: Sendable {
  /// What becomes of an attempt that was granted.
  struct Beginning: Sendable {
    /// It is here already, and is not run twice.
    var isRepeated = false
    /// What it has to be told at once; empty when it may run.
    var orders: AttemptOrders = []
    /// What was given as the reason for that.
    var reason: String?
    /// Attempts of the same job that are no longer the job's.
    var superseded: [Attempt] = []
  }

  private struct Entry {
    var number: Int
    var attempt: Attempt
    /// Those that have not ended though a later one has begun.
    var earlier: [(number: Int, attempt: Attempt)] = []
  }

  /// What was said of a job that is not here, while claims were in flight: one of them may have been granted it.
  private struct Early {
    /// The latest attempt that is to end, and how.
    var told: (attempt: Int, orders: AttemptOrders, reason: String?)?
    /// The latest attempt that is no longer the job's.
    var stop: Int?
    /// The last claim that was in flight.
    var claim: UInt64
  }

  /// How much is remembered of jobs that are not here.
  static var mostRemembered: Int { 1_000 }

  private var entries: [JobID: Entry] = [:]
  private var reported = ReportedOutcomes()
  private(set) var isDraining = false

  private var claims: Set<UInt64> = []
  private var lastClaim: UInt64 = 0
  private var early: [JobID: Early] = [:]
  /// Attempts that the server has asked about and that are not here, with the last claim that was in flight.
  private var doubts: [RunningAttempt: UInt64] = [:]

  // MARK: Claims

  /// A claim is made.
  ///
  /// - Returns: its number.
  mutating func beginClaim() -> UInt64 {
    lastClaim += 1
    claims.insert(lastClaim)
    return lastClaim
  }

  /// A claim was answered, or given up.
  ///
  /// - Parameter granted: the attempts that it was granted.
  /// - Returns: what becomes of each, in their order.
  mutating func endClaim(
    _ claim: UInt64, granted: [(attempt: RunningAttempt, handle: Attempt)] = []
  ) -> [Beginning] {
    let beginnings = granted.map { begin($0.attempt, $0.handle) }
    claims.remove(claim)
    if !early.isEmpty {
      let oldest = claims.min() ?? .max
      early = early.filter { $0.value.claim >= oldest }
    }
    return beginnings
  }

  private mutating func begin(_ attempt: RunningAttempt, _ handle: Attempt) -> Beginning {
    var beginning = Beginning(orders: isDraining ? .giveBack : [])
    if let early = early[attempt.job] {
      if let stop = early.stop, attempt.attempt <= stop { beginning.orders.insert(.stop) }
      if let told = early.told, told.attempt == attempt.attempt {
        beginning.orders.formUnion(told.orders)
        beginning.reason = told.reason
      }
    }
    guard var entry = entries[attempt.job] else {
      entries[attempt.job] = Entry(number: attempt.attempt, attempt: handle)
      return beginning
    }
    if entry.number == attempt.attempt
      || entry.earlier.contains(where: { $0.number == attempt.attempt })
    {
      return Beginning(isRepeated: true)
    }
    if attempt.attempt < entry.number {
      beginning.orders.insert(.stop)
      entry.earlier.append((attempt.attempt, handle))
    } else {
      beginning.superseded = [entry.attempt]
      entry.earlier.append((entry.number, entry.attempt))
      (entry.number, entry.attempt) = (attempt.attempt, handle)
    }
    entries[attempt.job] = entry
    return beginning
  }

  /// An attempt has ended.
  mutating func leave(_ attempt: RunningAttempt) {
    guard var entry = entries[attempt.job] else { return }
    if entry.number == attempt.attempt {
      guard let last = entry.earlier.popLast() else {
        entries[attempt.job] = nil
        return
      }
      (entry.number, entry.attempt) = last
    } else {
      entry.earlier.removeAll { $0.number == attempt.attempt }
    }
    entries[attempt.job] = entry
  }

  // MARK: Commands

  /// The attempt, when it runs here.
  func attempt(_ attempt: RunningAttempt) -> Attempt? {
    guard let entry = entries[attempt.job] else { return nil }
    if entry.number == attempt.attempt { return entry.attempt }
    return entry.earlier.first { $0.number == attempt.attempt }?.attempt
  }

  /// The server wants an attempt to end, canceled or suspended.
  ///
  /// - Parameter reason: what somebody gave for it.
  /// - Returns: the attempt to be told, when it runs here.
  mutating func tell(
    _ attempt: RunningAttempt, _ orders: AttemptOrders, because reason: String? = nil
  ) -> Attempt? {
    if let handle = self.attempt(attempt) { return handle }
    remember(attempt.job) { early in
      if let told = early.told, told.attempt >= attempt.attempt {
        if told.attempt == attempt.attempt {
          early.told?.orders.formUnion(orders)
          early.told?.reason = told.reason ?? reason
        }
      } else {
        early.told = (attempt.attempt, orders, reason)
      }
    }
    return nil
  }

  /// An attempt, and all before it, are no longer the job's.
  ///
  /// - Returns: the attempts to stop.
  mutating func stop(_ attempt: RunningAttempt) -> [Attempt] {
    remember(attempt.job) { $0.stop = max($0.stop ?? attempt.attempt, attempt.attempt) }
    guard let entry = entries[attempt.job] else { return [] }
    return ([(entry.number, entry.attempt)] + entry.earlier)
      .filter { $0.0 <= attempt.attempt }.map(\.1)
  }

  private mutating func remember(_ job: JobID, _ change: (inout Early) -> Void) {
    guard !claims.isEmpty, early[job] != nil || early.count < Self.mostRemembered else { return }
    change(&early[job, default: Early(claim: lastClaim)])
    early[job]?.claim = lastClaim
  }

  /// From now on nothing new is run.
  mutating func drain() {
    isDraining = true
  }

  // MARK: What is known

  /// The outcome of an attempt has been reported, whether or not the attempt still holds its slot.
  mutating func keep(_ outcome: JobReport) {
    reported.keep(outcome)
  }

  /// How an attempt was reported to have ended; `nil` when that is not known here, or not any longer.
  func outcome(of attempt: RunningAttempt) -> JobReport? {
    reported.report(of: attempt)
  }

  /// What is known of an attempt. One that is reported and still runs, long after its time-out, counts as reported; one that
  /// is not here may be about to come, until the claims that were in flight when the server asked first have been answered.
  mutating func state(of attempt: RunningAttempt) -> AttemptState {
    if reported.report(of: attempt) != nil { return .reported }
    if self.attempt(attempt) != nil { return .running }
    if let claim = doubts[attempt] {
      if claims.contains(where: { $0 <= claim }) { return .running }
      doubts[attempt] = nil
      return .unknown
    }
    guard !claims.isEmpty else { return .unknown }
    if doubts.count >= Self.mostRemembered {
      let oldest = claims.min() ?? .max
      doubts = doubts.filter { $0.value >= oldest }
    }
    // Without room it is asked about as if for the first time, again.
    if doubts.count < Self.mostRemembered { doubts[attempt] = lastClaim }
    return .running
  }

  /// All that run.
  var attempts: [Attempt] {
    entries.values.flatMap { [$0.attempt] + $0.earlier.map(\.attempt) }
  }

  /// The same, as the server knows them.
  var running: [RunningAttempt] {
    entries.flatMap { job, entry in
      ([entry.number] + entry.earlier.map(\.number)).map {
        RunningAttempt(job: job, attempt: $0)
      }
    }
  }

  /// Whether nothing runs.
  var isEmpty: Bool { entries.isEmpty }
}

/// The outcomes that were reported last, in case the server asks for one again, because the report was lost on its way.
/// Bounded in number and in bytes; the oldest are forgotten.
struct ReportedOutcomes: Sendable {
  private struct Entry {
    let report: JobReport
    let bytes: Int
    let serial: UInt64
  }

  private let limit: Int
  private let byteLimit: Int
  private var entries: [JobID: Entry] = [:]
  /// From the oldest to the newest, beginning at `first`; what has been replaced since is skipped.
  private var order: [(job: JobID, serial: UInt64)] = []
  private var first = 0
  private var lastSerial: UInt64 = 0
  /// Of all reports together, with what keeping them costs.
  private(set) var bytes = 0

  /// - Parameters:
  ///   - limit: how many outcomes are kept at most.
  ///   - byteLimit: how many bytes they have together at most.
  init(limit: Int = 10_000, byteLimit: Int = 16 << 20) {
    self.limit = limit
    self.byteLimit = byteLimit
  }

  var count: Int { entries.count }

  /// How long the order is, with what has been replaced.
  var orderLength: Int { order.count }

  /// The report of how the attempt ended; `nil` when it is not kept.
  func report(of attempt: RunningAttempt) -> JobReport? {
    guard let report = entries[attempt.job]?.report, report.attempt == attempt.attempt else {
      return nil
    }
    return report
  }

  /// Keeps the report of an outcome, in place of one of an earlier attempt of the job.
  mutating func keep(_ report: JobReport) {
    lastSerial += 1
    remove(report.job)
    let entry = Entry(report: report, bytes: report.sizeBound, serial: lastSerial)
    entries[report.job] = entry
    order.append((report.job, lastSerial))
    bytes += entry.bytes
    while entries.count > limit || bytes > byteLimit { removeOldest() }
    compact()
  }

  private mutating func remove(_ job: JobID) {
    if let entry = entries.removeValue(forKey: job) { bytes -= entry.bytes }
  }

  private mutating func removeOldest() {
    let (job, serial) = order[first]
    first += 1
    if entries[job]?.serial == serial { remove(job) }
  }

  /// Drops what has been replaced or forgotten from the order, before that is longer than what it orders.
  private mutating func compact() {
    guard order.count > 2 * entries.count + 64 else { return }
    order = order[first...].filter { entries[$0.job]?.serial == $0.serial }
    first = 0
  }
}
