import HTTPTypes
import Hummingbird
import Jobs

/// `/webhooks`: who is told of the ends of jobs. What they are, the server's configuration says.
struct WebhookRoutes {
  let service: JobOperations

  func add(to routes: inout APIRoutes) {
    routes.get("/webhooks", .wholeTenant(.read), use: list)
    routes.post("/webhooks/:name/test", .wholeTenant(.operate), use: test)
  }

  @Sendable private func list(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let tenant = try context.caller.tenant
    return try .json(WebhookList(webhooks: service.webhooks(tenant: tenant)))
  }

  @Sendable private func test(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let caller = try context.caller
    let job = try await service.testWebhook(
      context.parameters.decoded("name"), tenant: caller.tenant, user: caller.user)
    return .json(job, status: .accepted, headers: [.location: "/jobs/\(job.id)"])
  }
}
