import Jobs
import Logging

/// Calls the state-update callback of one attempt, in order, beside its execution.
///
/// A failed attempt is told as `failed`; whether the server runs the job again is not known here, and if so, `running`
/// follows, in the worker that gets it.
struct StateTeller: Sendable {
  /// The most states that wait for a slow callback; the oldest are dropped then.
  private static let backlog = 256

  private let assignment: JobAssignment
  private let states: AsyncStream<JobState>.Continuation
  private let ended: AsyncStream<Never>

  /// `nil` when the type has no such callback.
  init?(_ type: RegisteredJobType, _ assignment: JobAssignment) {
    guard let callback = type.stateUpdate else { return nil }
    let (stream, states) = AsyncStream.makeStream(
      of: JobState.self, bufferingPolicy: .bufferingNewest(Self.backlog))
    let (ended, end) = AsyncStream.makeStream(of: Never.self)
    self.assignment = assignment
    self.states = states
    self.ended = ended
    // Not a child task: nobody can be made to wait for ever for a callback that does not return.
    Task {
      for await state in stream { await callback(assignment.params, state) }
      end.finish()
    }
  }

  func tell(status: JobStatus, _ progress: JobProgress? = nil, error: String? = nil) {
    states.yield(
      JobState(
        job: assignment.job, status: status, progress: progress?.percent ?? 0,
        details: progress?.details, error: error))
  }

  func tell(_ outcome: JobOutcome, _ progress: JobProgress?) {
    switch outcome {
    case .completed: tell(status: .completed, .finished(progress))
    case .failed(let error, _): tell(status: .failed, progress, error: error)
    case .timedOut(let error): tell(status: .timedOut, progress, error: error)
    case .skipped(let reason): tell(status: .skipped, progress, error: reason)
    case .canceled: tell(status: .canceled, progress)
    case .returned: tell(status: .waiting, progress)
    }
  }

  /// Waits until the callback has seen everything.
  ///
  /// - Returns: `false` when it takes longer than `limit`.
  func finish(within limit: Duration) async -> Bool {
    states.finish()
    return await withTaskGroup { group in
      group.addTask {
        for await _ in ended {}
        return !Task.isCancelled
      }
      group.addTask {
        // Only cancellation ends it early; either way the wait is over.
        try? await Task.sleep(for: limit)
        return false
      }
      defer { group.cancelAll() }
      return await group.next() ?? false
    }
  }
}

extension JobProgress {
  /// What a job has come to that is completed.
  fileprivate static func finished(_ last: JobProgress?) -> JobProgress? {
    (try? JobProgress(100, last?.details)) ?? last
  }
}
