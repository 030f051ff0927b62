import HTTPTypes
import Hummingbird
import Jobs

/// `/job_groups`: which job types share a queue.
struct JobGroupRoutes {
  let service: JobService

  func add(to router: Router<BasicRequestContext>) {
    router.get("/job_groups", use: list)
    router.get("/job_groups/:name", use: get)
  }

  @Sendable private func list(
    _ request: Request, _ context: BasicRequestContext
  ) async throws -> Response {
    let query = try CatalogQuery(request.uri, field: "name")
    let groups = service.groups
    return try .json(
      JobGroupList(
        pageSize: query.page.pageSize, pageNumber: query.page.page, order: query.order,
        total: groups.count, jobGroups: query.part(of: groups)))
  }

  @Sendable private func get(
    _ request: Request, _ context: BasicRequestContext
  ) async throws -> Response {
    let name = context.parameters.decoded("name")
    let groups = service.groups
    guard let group = groups.first(where: { $0.name == name }) else {
      throw APIProblem(
        .notFound,
        "there is no job group '\(name.prefix(100))'; known are "
          + groups.map(\.name).joined(separator: ", "))
    }
    return try .json(group)
  }
}
