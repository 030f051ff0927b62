import HTTPTypes
import Hummingbird
import Jobs

/// `/queues`: how much waits and runs, and who is there to do it.
struct QueueRoutes {
  let service: JobService

  func add(to router: Router<BasicRequestContext>) {
    router.get("/queues", use: list)
  }

  @Sendable private func list(
    _ request: Request, _ context: BasicRequestContext
  ) async throws -> Response {
    _ = try QueryParameters(request.uri, known: [])
    return try .json(QueueList(queues: try await service.queues()))
  }
}
