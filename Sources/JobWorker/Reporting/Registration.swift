import Jobs
import Synchronization

/// Under which epoch the worker announces itself and claims: a pure value.
struct WorkerEpoch: Sendable, Hashable {
  typealias Instant = ContinuousClock.Instant

  /// How long the server may take to hear an announcement, before a worker that it does not know must have been taken for
  /// lost since.
  static let patience = Duration.seconds(2)

  private(set) var number: Int64 = 1
  /// When the broker had the first announcement of it.
  private(set) var confirmed: Instant?

  /// The broker has an announcement.
  mutating func confirm(_ epoch: Int64, at now: Instant) {
    if epoch == number, confirmed == nil { confirmed = now }
  }

  /// The server does not know the worker under an epoch.
  ///
  /// - Returns: whether there is a new one now, since it has been told of this one.
  mutating func isUnknown(_ epoch: Int64, at now: Instant) -> Bool {
    guard epoch == number, let confirmed, now - confirmed > Self.patience else { return false }
    number += 1
    self.confirmed = nil
    return true
  }
}

/// The worker's epoch, shared by those who announce it and those who claim.
final class Registration: Sendable {
  private let state = Mutex(WorkerEpoch())
  private let (announcements, announced) = AsyncStream.makeStream(of: Never.self)

  var epoch: Int64 { state.withLock(\.number) }

  /// The broker has an announcement.
  func confirm(_ epoch: Int64, at now: ContinuousClock.Instant) {
    state.withLock { $0.confirm(epoch, at: now) }
    announced.finish()
  }

  /// The server does not know the worker under an epoch.
  ///
  /// - Returns: whether it is to be announced under a new one.
  func isUnknown(under epoch: Int64, at now: ContinuousClock.Instant) -> Bool {
    state.withLock { $0.isUnknown(epoch, at: now) }
  }

  /// Waits until the worker has been announced for the first time, or ends. For one caller.
  func waitUntilAnnounced(or lifecycle: WorkerLifecycle) async {
    await withTaskGroup { group in
      group.addTask { [announcements] in for await _ in announcements {} }
      group.addTask { await lifecycle.reached(.draining) }
      await group.next()
      group.cancelAll()
    }
  }
}
