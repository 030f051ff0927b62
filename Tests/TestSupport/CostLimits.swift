/// What a job may cost at most. These are counts, not times, so that a change that makes a job dearer fails a test on any
/// machine, however busy.
///
/// Measured in debug builds, which are those that the tests run: release builds allocate less. See docs/testing.md for what
/// is counted, and for how a limit is changed.
public struct CostLimit: Sendable, CustomStringConvertible {
  public let name: String
  /// What it was when the limit was set.
  public let measured: Double
  public let limit: Double

  init(_ name: String, _ measured: Double, limit: Double) {
    self.name = name
    self.measured = measured
    self.limit = limit
  }

  public var description: String { name }
}

/// The committed limits: one line each.
public enum CostLimits {
  /// What `CostMeter` prints. It hardly varies: 10 to 15 % of room.
  public static let metered = [
    CostLimit("store.insert.statements.of-10", 3.3, limit: 3.8),
    CostLimit("store.insert.statements.of-200", 2.085, limit: 2.3),
    CostLimit("store.insert.statements.of-1000", 2.042, limit: 2.25),
    CostLimit("store.claim.statements.of-10", 1.8, limit: 2.1),
    CostLimit("store.claim.statements.of-200", 0.11, limit: 0.13),
    CostLimit("store.claim.statements.of-1000", 0.047, limit: 0.055),
    CostLimit("store.report.statements.of-10", 2.7, limit: 3.1),
    CostLimit("store.report.statements.of-200", 1.195, limit: 1.35),
    CostLimit("store.report.statements.of-1000", 1.139, limit: 1.3),
    CostLimit("store.insert.transactions-of-a-batch", 1, limit: 1),
    CostLimit("store.claim.transactions-of-a-batch", 1, limit: 1),
    CostLimit("store.report.transactions-of-a-batch", 1, limit: 1),
    CostLimit("store.wal-bytes", 1_830, limit: 1_950),
    CostLimit("store.insert.allocations", 185, limit: 205),
    CostLimit("store.claim.allocations", 60.4, limit: 68),
    CostLimit("store.report.allocations", 119, limit: 135),
    CostLimit("worker.allocations", 119, limit: 135),
    CostLimit("worker.kept-bytes", 11, limit: 100),
    CostLimit("coding.job-message.allocations", 76, limit: 86),
    CostLimit("coding.claim.allocations", 10.3, limit: 12),
    CostLimit("coding.report.allocations", 8.1, limit: 9.5),
  ]

  /// What the broker counts. How many claims and reports share a message varies with timing, by a tenth; the limits are
  /// where one more for each job goes beyond them.
  public static let messages = [
    CostLimit("messages.published", 2.8, limit: 3.6),
    CostLimit("messages.delivered", 2.55, limit: 3.3),
    CostLimit("messages.acknowledged", 2.3, limit: 3),
    // Of a kind that nobody wants some are published ten times a second: three kinds are the most.
    CostLimit("messages.returned", 0.4, limit: 3.1),
  ]

  public static let all = metered + messages
}
