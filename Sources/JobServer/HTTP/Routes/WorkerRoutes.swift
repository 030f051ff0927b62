import HTTPTypes
import Hummingbird
import Jobs

/// `/workers`: who is there.
struct WorkerRoutes {
  let service: JobService

  func add(to router: Router<BasicRequestContext>) {
    router.get("/workers", use: list)
  }

  @Sendable private func list(
    _ request: Request, _ context: BasicRequestContext
  ) async throws -> Response {
    _ = try QueryParameters(request.uri, known: [])
    return try .json(WorkerList(workers: try await service.workers()))
  }
}
