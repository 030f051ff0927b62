import Foundation
import HTTPTypes
import Hummingbird
import Jobs
import ServiceLifecycle

/// `/jobs/{id}/wait`: answers when the job is at rest, and with the job as it is when the time has passed.
struct JobWaitRoute {
  let service: JobService

  func add(to router: Router<BasicRequestContext>) {
    router.get("/jobs/:id/wait", use: wait)
  }

  @Sendable private func wait(
    _ request: Request, _ context: BasicRequestContext
  ) async throws -> Response {
    let tenant = try Caller(request.headers).tenant
    let id = try context.parameters.jobID()
    let limit = try WaitQuery(request.uri).limit
    let job = try await service.job(id, tenant: tenant)
    if job.status.isAtRest || limit == .zero { return answer(job) }
    if let job = try await settled(id, tenant: tenant, atMost: limit, request) {
      return answer(job, closing: true)
    }
    return answer(try await service.job(id, tenant: tenant), closing: true)
  }

  /// The job after the wait; `nil` when the client has gone, or the server is being stopped, before its end.
  private func settled(
    _ id: JobID, tenant: UUID, atMost limit: Duration, _ request: Request
  ) async throws -> Job? {
    do {
      return try await request.body.consumeWithCancellationOnInboundClose { _ in
        try await cancelWhenGracefulShutdown { () async throws -> Job? in
          do {
            return try await service.wait(for: id, tenant: tenant, atMost: limit)
          } catch {
            if Task.isCancelled { return nil }
            throw error
          }
        }
      }
    } catch is CancellationError {
      return nil
    }
  }

  /// - Parameter closing: whether the connection ends with the answer: watching it for the client's going uses up what
  ///   the next request would be read from.
  private func answer(_ job: Job, closing: Bool = false) -> Response {
    .json(
      job, status: job.status.isAtRest ? .ok : .accepted,
      headers: closing ? [.connection: "close"] : [:])
  }
}
