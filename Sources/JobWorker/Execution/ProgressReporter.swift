import Jobs
import Logging
import Synchronization

/// The progress that is to be passed on next.
struct LatestProgress: Sendable {
  private var latest: JobProgress?

  var isEmpty: Bool { latest == nil }

  /// Replaces what was there. What it leaves as it was stays until there is something new.
  mutating func put(_ progress: JobProgress) {
    latest = progress.keeping(latest)
  }

  /// Puts back what could not be passed on, unless there is something newer.
  mutating func putBack(_ progress: JobProgress) {
    latest = latest?.keeping(progress) ?? progress
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
      guard interval > .zero else {
        // What could not be reported goes with the next one, so that nobody is asked without a pause.
        if isReported { goOn(&state) } else { state.stage = .idle }
        return
      }
      state.stage = .pausing(deadlines.after(interval) { [weak self] in self?.goOn() })
    }
  }

  private func goOn() {
    state.withLock { state in
      guard case .pausing = state.stage else { return }
      goOn(&state)
    }
  }

  private func goOn(_ state: inout State) {
    state.stage = state.progress.isEmpty ? .idle : .reporting(Task { await passOn() })
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
  /// With details of a bearable length.
  func bounded(by limits: OutcomeLimits) -> JobProgress {
    guard let details, details.utf8.count > limits.message else { return self }
    return JobProgress(percent, limits.bounded(details))
  }
}

/// Calls the state-update callback of one attempt, in order, beside its execution.
///
/// It tells what the worker knows: a job that failed and has retries left waits, and is `running` again in the worker that
/// gets it then.
final class StateUpdates: Sendable {
  /// The most states that wait for a slow callback; the oldest are dropped then.
  private static let backlog = 256

  private struct Told {
    var status = JobStatus.waiting
    var progress: JobProgress?
    var maxRetries: Int
  }

  private let assignment: JobAssignment
  private let states: AsyncStream<JobState>.Continuation
  /// Whether the callback has seen everything, or is left alone.
  private let ends: AsyncStream<Bool>
  private let end: AsyncStream<Bool>.Continuation
  private let told: Mutex<Told>

  /// `nil` when the type has no such callback.
  init?(_ type: RegisteredJobType, _ assignment: JobAssignment) {
    guard let callback = type.stateUpdate else { return nil }
    let (stream, states) = AsyncStream.makeStream(
      of: JobState.self, bufferingPolicy: .bufferingNewest(Self.backlog))
    let (ends, end) = AsyncStream.makeStream(of: Bool.self)
    self.assignment = assignment
    self.states = states
    self.ends = ends
    self.end = end
    told = Mutex(Told(maxRetries: assignment.maxRetries))
    // Not a child task: nobody can be made to wait for ever for a callback that does not return.
    Task {
      for await state in stream { await callback(assignment.params, state) }
      end.yield(true)
    }
  }

  /// Tells what has changed; nothing when nothing has.
  ///
  /// - Parameter status: `nil` when it is the one that was told last.
  func tell(_ status: JobStatus?, _ progress: JobProgress? = nil, error: String? = nil) {
    told.withLock { told in
      let status = status ?? told.status
      guard status != told.status || progress != nil else { return }
      told.status = status
      if let progress { told.progress = progress.keeping(told.progress) }
      // Under the lock, so that what is told later comes later.
      states.yield(
        JobState(
          job: assignment.job, status: status, progress: told.progress?.percent ?? 0,
          details: told.progress?.details, error: error))
    }
  }

  /// The job may be retried so many times from now on.
  func allow(retries: Int) {
    told.withLock { $0.maxRetries = retries }
  }

  /// Tells how the attempt has ended.
  ///
  /// - Parameters:
  ///   - orders: what it had been told; whether one that stopped is canceled or suspended.
  ///   - last: a progress that was reported with the outcome.
  func tell(_ outcome: JobOutcome, after orders: AttemptOrders, _ last: JobProgress? = nil) {
    switch outcome {
    case .completed: tell(.completed, JobProgress(100, last?.details))
    case .failed(let error, let isPermanent):
      let isRetried = !isPermanent && assignment.retries < told.withLock(\.maxRetries)
      tell(isRetried ? .waiting : .failed, last, error: error)
    case .retryAfter(let error, _, let isCounted):
      let isRetried = !isCounted || assignment.retries < told.withLock(\.maxRetries)
      tell(isRetried ? .waiting : .failed, last, error: error)
    case .timedOut(let error): tell(.timedOut, last, error: error)
    case .skipped(let reason): tell(.skipped, last, error: reason)
    case .canceled: tell(orders.contains(.cancel) ? .canceled : .suspended, last)
    case .returned, .snoozed: tell(.waiting, last)
    }
  }

  /// Waits until the callback has seen everything.
  ///
  /// - Returns: `false` when it takes longer than `limit`.
  func finish(within limit: Duration, _ deadlines: DeadlineQueue) async -> Bool {
    states.finish()
    let deadline = deadlines.after(limit) { [end] in end.yield(false) }
    defer { deadlines.cancel(deadline) }
    for await isThrough in ends { return isThrough }
    return false
  }
}
