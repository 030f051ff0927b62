import Foundation

/// A job schedules others: for its own tenant and user, in its own trace, and each once, however often it is run itself.
///
/// A child without a key gets an id that is made from the parent's id, the snapshot that the callback has saved or loaded last, the
/// child's type and params, and how many of just these were scheduled since that snapshot. So the parent's next attempt, which goes the
/// same way, makes no second child, and one that goes on from a snapshot makes the children that are still to be made, if no two snapshots
/// of the job are equal. Params that differ from attempt to attempt (the time, a random number) make other children: give those a key.
extension JobContext: JobScheduling {
  public var desk: any JobDesk { link.scheduling?.desk ?? NoDesk() }

  public func submit(_ submissions: [JobSubmission]) async throws -> [JobReceipt] {
    guard let scheduling = link.scheduling else { throw CannotSchedule() }
    return try await scheduling.submit(submissions.map(child))
  }

  private func child(_ submission: JobSubmission) -> JobSubmission {
    var child = submission
    child.fillOwner(tenant: assignment.tenant, user: assignment.user)
    if child.idempotencyKey == nil, child.id == nil {
      child.id = link.childID("\(child.type) \(child.params.text)")
    }
    // Middleware that traces puts its own span in the place of the parent's.
    if child.context[CarriedContext.traceparent] == nil {
      for name in [CarriedContext.traceparent, CarriedContext.tracestate] {
        child.context[name] = context[name]
      }
      if child.context[CarriedContext.baggage] == nil {
        child.context[CarriedContext.baggage] = context[CarriedContext.baggage]
      }
    }
    return child
  }
}

/// A callback schedules jobs where nobody does that for it: in a worker that was not started by a `JobService`, or in `prepare` and the like.
public struct CannotSchedule: Error, Hashable, CustomStringConvertible {
  public var description: String {
    "no jobs can be scheduled from here; what runs in a JobService, or under a JobTester, can"
  }
}

private struct NoDesk: JobDesk {
  func jobs(_ ids: [JobID], tenant: UUID) async throws -> [Job?] { throw CannotSchedule() }
  func job(_ key: IdempotencyKey, tenant: UUID) async throws -> Job? { throw CannotSchedule() }
  func end(of id: JobID, tenant: UUID) async throws -> Job { throw CannotSchedule() }
  func changes(of id: JobID, tenant: UUID) -> AsyncThrowingStream<Job, any Error> {
    AsyncThrowingStream { $0.finish(throwing: CannotSchedule()) }
  }
  func cancel(_ cancellations: [JobCancellation]) async throws { throw CannotSchedule() }
}
