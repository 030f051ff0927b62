import HTTPTypes
import Hummingbird
import Jobs

/// `/job_types`: what can be scheduled.
struct JobTypeRoutes {
  let service: JobService

  func add(to router: Router<BasicRequestContext>) {
    router.get("/job_types", use: list)
    router.get("/job_types/:id", use: get)
  }

  @Sendable private func list(
    _ request: Request, _ context: BasicRequestContext
  ) async throws -> Response {
    let query = try CatalogQuery(request.uri, field: "type_id")
    let types = service.types
    return try .json(
      JobTypeList(
        pageSize: query.page.pageSize, pageNumber: query.page.page, order: query.order,
        total: types.count, jobTypes: query.part(of: types)))
  }

  @Sendable private func get(
    _ request: Request, _ context: BasicRequestContext
  ) async throws -> Response {
    let name = context.parameters.decoded("id")
    let types = service.types
    guard let type = types.first(where: { $0.id.description == name }) else {
      throw APIProblem(
        .notFound,
        "there is no job type '\(name.prefix(100))'; known are "
          + types.map(\.id.description).joined(separator: ", "),
        knownTypes: types.map(\.id))
    }
    return try .json(type)
  }
}
