import HTTPTypes
import Hummingbird
import Jobs

/// `/queues`: how much waits and runs, and who is there to do it; `/counters`: what has gone wrong since the server started.
struct QueueRoutes {
  let service: JobService

  func add(to router: Router<BasicRequestContext>) {
    router.get("/queues", use: list)
    router.get("/counters", use: counters)
  }

  @Sendable private func list(
    _ request: Request, _ context: BasicRequestContext
  ) async throws -> Response {
    _ = try QueryParameters(request.uri, known: [])
    return try .json(QueueList(queues: try await service.queues()))
  }

  @Sendable private func counters(
    _ request: Request, _ context: BasicRequestContext
  ) async throws -> Response {
    _ = try QueryParameters(request.uri, known: [])
    return try .json(service.counters)
  }
}
