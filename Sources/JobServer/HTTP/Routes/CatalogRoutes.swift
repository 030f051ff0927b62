import HTTPTypes
import Hummingbird
import HummingbirdCore
import Jobs

/// `/job_types`: what can be scheduled.
struct JobTypeRoutes {
  let service: JobOperations

  func add(to routes: inout APIRoutes) {
    routes.get("/job_types", .read, use: list)
    routes.get("/job_types/:id", .read, use: get)
  }

  @Sendable private func list(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    let query = try CatalogQuery(request.uri, field: "type_id")
    let types = service.types(in: try context.caller.scope)
    return try .json(
      JobTypeList(
        pageSize: query.page.pageSize, pageNumber: query.page.page, order: query.order,
        total: types.count, jobTypes: query.part(of: types)))
  }

  @Sendable private func get(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let name = context.parameters.decoded("id")
    let types = service.types(in: try context.caller.scope)
    guard let type = types.first(where: { $0.id.description == name }) else {
      throw APIProblem(
        .notFound,
        "there is no job type '\(name.prefix(100))'; "
          + types.map(\.id.description).listedAsKnown(orElse: "no worker has announced any yet"),
        knownTypes: types.map(\.id))
    }
    return try .json(type)
  }
}

/// `/job_groups`: which job types share a queue.
struct JobGroupRoutes {
  let service: JobOperations

  func add(to routes: inout APIRoutes) {
    routes.get("/job_groups", .read, use: list)
    routes.get("/job_groups/:name", .read, use: get)
  }

  @Sendable private func list(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    let query = try CatalogQuery(request.uri, field: "name")
    let groups = service.groups(in: try context.caller.scope)
    return try .json(
      JobGroupList(
        pageSize: query.page.pageSize, pageNumber: query.page.page, order: query.order,
        total: groups.count, jobGroups: query.part(of: groups)))
  }

  @Sendable private func get(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let name = context.parameters.decoded("name")
    let groups = service.groups(in: try context.caller.scope)
    guard let group = groups.first(where: { $0.name == name }) else {
      throw APIProblem(
        .notFound,
        "there is no job group '\(name.prefix(100))'; "
          + groups.map(\.name).listedAsKnown(orElse: "no worker has announced any yet"))
    }
    return try .json(group)
  }
}

/// The query of the lists of job types and job groups, which have one order each.
struct CatalogQuery: Equatable {
  let page: PageQuery
  /// As it was given.
  let order: String
  let isDescending: Bool

  /// - Parameter field: what the list is ordered by.
  init(_ uri: URI, field: String) throws(APIProblem) {
    let query = try QueryParameters(uri, known: PageQuery.names + ["order"])
    page = try PageQuery(query)
    order = query["order"] ?? field
    guard order == field || order == "-\(field)" else {
      throw .parameter("order", "must be \(field) or -\(field)", order)
    }
    isDescending = order != field
  }

  /// The part of an ascending list that is asked for, in the order that is asked for.
  func part<Element>(of elements: [Element]) -> [Element] {
    page.part(of: isDescending ? elements.reversed() : elements)
  }
}
