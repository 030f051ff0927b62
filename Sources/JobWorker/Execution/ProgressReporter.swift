import Jobs
import Logging
import Synchronization

/// The progress that is to be passed on next.
struct LatestProgress: Sendable {
  private var latest: JobProgress?

  var isEmpty: Bool { latest == nil }

  /// Replaces what was there. Details that have not been taken stay until there are new ones.
  mutating func put(_ progress: JobProgress) {
    latest = progress.keeping(details: latest?.details)
  }

  /// Puts back what could not be passed on, unless there is something newer.
  mutating func putBack(_ progress: JobProgress) {
    latest = latest?.keeping(details: progress.details) ?? progress
  }

  mutating func take() -> JobProgress? {
    defer { latest = nil }
    return latest
  }
}

/// Passes an attempt's progress on, however often its callback reports it: at once when there is some, but no more often
/// than once in an interval. Made with the first progress.
final class ProgressReporter: Sendable {
  private enum Stage {
    /// The next progress is passed on at once.
    case idle
    case reporting(Task<Void, Never>)
    case pausing(DeadlineQueue.ID)
    case ended
  }

  private struct State {
    var progress = LatestProgress()
    var stage = Stage.idle
  }

  private let state = Mutex(State())
  private let interval: Duration
  private let deadlines: DeadlineQueue
  private let report: @Sendable (JobProgress) async throws -> Void
  private let logger: Logger

  init(
    interval: Duration, deadlines: DeadlineQueue, logger: Logger,
    report: @escaping @Sendable (JobProgress) async throws -> Void
  ) {
    self.interval = interval
    self.deadlines = deadlines
    self.logger = logger
    self.report = report
  }

  func put(_ progress: JobProgress) {
    state.withLock { state in
      state.progress.put(progress)
      if case .idle = state.stage { state.stage = .reporting(Task { await passOn() }) }
    }
  }

  private func passOn() async {
    guard let progress = state.withLock({ $0.progress.take() }) else { return }
    var isReported = true
    do {
      try await report(progress)
    } catch {
      // The next one says more; only the last one has to land.
      logger.debug("a progress was not reported", metadata: ["error": "\(error)"])
      isReported = false
    }
    state.withLock { state in
      if !isReported { state.progress.putBack(progress) }
      guard case .reporting = state.stage else { return }
      state.stage = .pausing(deadlines.after(interval) { [weak self] in self?.goOn() })
    }
  }

  private func goOn() {
    state.withLock { state in
      guard case .pausing = state.stage else { return }
      state.stage = state.progress.isEmpty ? .idle : .reporting(Task { await passOn() })
    }
  }

  /// Passes nothing more on. One that is under way comes before the outcome.
  ///
  /// - Returns: what is left, for the outcome's report to take along.
  func end() async -> JobProgress? {
    let last = state.withLock { state in
      defer { state.stage = .ended }
      return state.stage
    }
    switch last {
    case .reporting(let task): await task.value
    case .pausing(let deadline): deadlines.cancel(deadline)
    case .idle, .ended: break
    }
    return state.withLock { $0.progress.take() }
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
