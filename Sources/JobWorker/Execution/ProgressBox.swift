import Jobs
import Synchronization

/// Between a callback that reports progress as often as it likes and the one who passes it on: holds the latest.
final class ProgressBox: Sendable {
  private let latest = Mutex<JobProgress?>(nil)
  /// Wakes whoever passes progress on. One element stands for any number of reports.
  let wakeUps: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation

  /// Called when something is put in for the first time: until then nobody has to wait for it.
  private let onFirst: @Sendable () -> Void
  private let hasBegun = Atomic(false)

  init(onFirst: @escaping @Sendable () -> Void = {}) {
    (wakeUps, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    self.onFirst = onFirst
  }

  /// Replaces what was there. Details that have not been taken stay until there are new ones.
  func put(_ progress: JobProgress) {
    let wasEmpty = latest.withLock { latest in
      defer { latest = progress.keeping(details: latest?.details) }
      return latest == nil
    }
    guard wasEmpty else { return }
    continuation.yield()
    if !hasBegun.exchange(true, ordering: .acquiringAndReleasing) { onFirst() }
  }

  /// Puts back what could not be passed on, unless there is something newer.
  func putBack(_ progress: JobProgress) {
    latest.withLock { latest in
      latest = latest?.keeping(details: progress.details) ?? progress
    }
    continuation.yield()
  }

  func take() -> JobProgress? {
    latest.withLock { $0.take() }
  }
}

extension JobProgress {
  /// With these details when it has none of its own.
  func keeping(details earlier: String?) -> JobProgress {
    guard details == nil, let earlier else { return self }
    // A percentage that has been accepted is accepted again.
    return (try? JobProgress(percent, earlier)) ?? self
  }

  /// With details of a bearable length.
  func bounded(by limits: OutcomeLimits) -> JobProgress {
    guard let details, details.utf8.count > limits.message else { return self }
    return (try? JobProgress(percent, limits.bounded(details))) ?? self
  }
}
