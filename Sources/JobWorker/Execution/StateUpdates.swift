import Jobs
import Synchronization

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
      if let progress { told.progress = progress.keeping(details: told.progress?.details) }
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
    case .completed: tell(.completed, .finished(last))
    case .failed(let error, let isPermanent):
      let isRetried = !isPermanent && assignment.retries < told.withLock(\.maxRetries)
      tell(isRetried ? .waiting : .failed, last, error: error)
    case .timedOut(let error): tell(.timedOut, last, error: error)
    case .skipped(let reason): tell(.skipped, last, error: reason)
    case .canceled: tell(orders.contains(.cancel) ? .canceled : .suspended, last)
    case .returned: tell(.waiting, last)
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

extension JobProgress {
  /// What a job has come to that is completed.
  fileprivate static func finished(_ last: JobProgress?) -> JobProgress? {
    // 100 is always accepted.
    (try? JobProgress(100, last?.details)) ?? last
  }
}
