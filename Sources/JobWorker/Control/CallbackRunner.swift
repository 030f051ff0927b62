import Jobs
import Logging

/// Calls the callbacks that the server asks for, while a client waits for the answer.
struct CallbackRunner: Sendable {
  let worker: WorkerID
  let registry: JobRegistry
  /// How long a callback may take.
  let limit: Duration
  /// Hands over what a callback keeps.
  let report: @Sendable ([JobReport]) async throws -> Void
  let limits: OutcomeLimits
  let deadlines: DeadlineQueue
  let logger: Logger

  func call(_ callback: JobCallback, _ assignment: JobAssignment) async -> ControlReply {
    guard let type = registry.types[assignment.type], let body = type.callback(callback) else {
      return .unknownCallback
    }
    let context = JobContext(
      assignment: assignment, logger: logger, link: link(callback, assignment))
    // Not a child task: a callback that does not end when it is told to must not hold up the answer.
    let call = Task { try await body(assignment.params, context) }
    let (replies, reply) = AsyncStream.makeStream(of: ControlReply.self)
    let wait = Task {
      switch await call.result {
      case .success: reply.yield(.done)
      case .failure(let error): reply.yield(.failed(limits.bounded(String(describing: error))))
      }
    }
    let deadline = deadlines.after(limit) {
      call.cancel()
      reply.yield(.failed("the \(callback.rawValue) callback took longer than \(limit)"))
    }
    defer {
      deadlines.cancel(deadline)
      wait.cancel()
    }
    for await answer in replies { return answer }
    return .failed("the worker ends")
  }

  /// A job that this worker runs may save a snapshot before it is suspended; otherwise there is no attempt to keep anything
  /// for.
  private func link(_ callback: JobCallback, _ assignment: JobAssignment) -> JobLink {
    let refusal = PermanentFailure(
      "the \(callback.rawValue) callback can neither lock nor change its job")
    return JobLink(
      progress: { _ in },
      snapshot: { snapshot in
        guard callback == .suspend, assignment.attempt > 0 else { throw refusal }
        try limits.check(snapshot)
        try await report([assignment.report(.snapshot(snapshot), by: worker)])
      },
      policy: { _, _ in throw refusal },
      lock: { _ in throw refusal })
  }
}
