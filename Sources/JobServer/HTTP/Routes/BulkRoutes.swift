import Foundation
import HTTPTypes
import Hummingbird
import Jobs

/// Many jobs at once: `/jobs/batch`, `/jobs/bulk`, and `/operations`, which is what comes of the latter.
struct BulkRoutes {
  let service: JobOperations
  let body: JSONBody

  func add(to routes: inout APIRoutes) {
    routes.post("/jobs/batch", .write, isAudited: false, use: schedule)
    routes.post("/jobs/bulk", .wholeTenant(.operate), use: begin)
    routes.get("/operations", .wholeTenant(.operate), use: list)
    routes.get("/operations/:id", .wholeTenant(.operate), use: get)
    routes.post("/operations/:id/cancel", .wholeTenant(.operate), use: cancel)
  }

  /// 200 whatever became of each: its own status says that.
  @Sendable private func schedule(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let caller = try context.caller
    try IdempotencyKeyHeader.refuse(
      in: request.headers, "each job of a batch has its own key, as its member idempotency_key")
    let bytes = try await body.bytes(of: request)
    let batch = try BatchBody(
      parsing: bytes.readableBytesView, knownTypes: service.types(in: caller.scope).map(\.id)
    ).checked(for: caller, by: service)
    return .json(try await service.schedule(batch, by: caller, request.headers))
  }

  /// 202 for a new operation, 200 for one that the same idempotency key has begun before, and for a dry run.
  @Sendable private func begin(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let tenant = try context.caller.tenant
    let header = try IdempotencyKeyHeader.key(in: request.headers)
    let wish = try BulkBody(parsing: try await body.bytes(of: request).readableBytesView)
    let key = try IdempotencyKeyHeader.agreed(header, wish.idempotencyKey)
    context.note.set(wish.request.summary)
    if wish.isDryRun { return try .json(try await service.preview(wish.request, tenant: tenant)) }
    let (operation, isNew) = try await service.begin(
      wish.request, tenant: tenant, key: key)
    return try .json(
      operation, status: isNew ? .accepted : .ok,
      headers: [.location: "/operations/\(operation.id.uuidString.lowercased())"])
  }

  @Sendable private func list(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    let tenant = try context.caller.tenant
    let query = try OperationListQuery(
      try QueryParameters(request.uri, known: PageQuery.names + ["status"]))
    let page = query.page
    let (operations, total) = try await service.operations(
      of: tenant, status: query.status, offset: (page.page - 1) * page.pageSize,
      limit: page.pageSize)
    return try .json(
      BulkOperationList(
        pageSize: page.pageSize, pageNumber: page.page, total: total, operations: operations))
  }

  @Sendable private func get(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let tenant = try context.caller.tenant
    return try .json(
      try await service.operation(try context.parameters.operationID(), tenant: tenant))
  }

  /// 200, since it is stopped when this answers.
  @Sendable private func cancel(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let tenant = try context.caller.tenant
    return try .json(
      try await service.cancelOperation(try context.parameters.operationID(), tenant: tenant))
  }
}

extension BulkRequest {
  /// What the audit log says of it.
  fileprivate var summary: String {
    let filter = (try? JSONValue(encoding: filter))?.text ?? ""
    return "\(action.rawValue) \(filter)" + (reason.map { ", \($0)" } ?? "")
  }
}

extension Parameters {
  /// The id of an operation in the path.
  ///
  /// - Throws: ``APIProblem`` when it is no UUID.
  fileprivate func operationID() throws(APIProblem) -> UUID {
    let text = decoded("id")
    guard let id = UUID(uuidString: text) else {
      throw APIProblem(
        .invalidParameter,
        "'\(text.prefix(100))' is no id of an operation, which is a UUID")
    }
    return id
  }
}
