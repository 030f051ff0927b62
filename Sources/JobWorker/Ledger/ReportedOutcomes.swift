import Jobs

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
