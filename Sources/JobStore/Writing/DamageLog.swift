import Jobs
import Logging
import Synchronization

/// Counts and logs the rows that cannot be read.
final class DamageLog: Sendable {
  private let counts = Mutex(StoreDamage())
  private let logger: Logger

  init(logger: Logger) {
    self.logger = logger
  }

  var damage: StoreDamage { counts.withLock { $0 } }

  func noteSetAside(_ rows: [UnreadableRow]) {
    guard let first = rows.first else { return }
    counts.withLock { $0.setAside += rows.count }
    logger.error(
      "rows of the status store could not be read; their jobs have failed",
      metadata: ["count": "\(rows.count)", "row": "\(first.number)", "reason": "\(first.reason)"])
  }

  func noteNotSetAside(_ error: StoreError) {
    logger.warning(
      "rows that cannot be read could not be taken out of the way",
      metadata: ["error": "\(error)"])
  }

  func noteSkipped(_ reasons: [String]) {
    guard let first = reasons.first else { return }
    counts.withLock { $0.skipped += reasons.count }
    logger.warning(
      "rows of the status store cannot be read and are left out",
      metadata: ["count": "\(reasons.count)", "first": "\(first)"])
  }
}

/// A row of which not even the job can be told.
struct UnreadableRow: Error, Sendable, CustomStringConvertible {
  let number: Int64
  let reason: String
  var description: String { "row \(number): \(reason)" }
}
