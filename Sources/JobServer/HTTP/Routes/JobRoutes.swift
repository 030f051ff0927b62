import HTTPTypes
import Hummingbird
import Jobs

/// `/jobs` and what lies under it, but for waiting.
struct JobRoutes {
  let service: JobService
  let body: JSONBody

  func add(to router: Router<BasicRequestContext>) {
    router.post("/jobs", use: schedule)
    router.get("/jobs", use: list)
    router.get("/jobs/:id", use: get)
    router.delete("/jobs/:id", use: delete)
    router.post("/jobs/:id/cancel", use: cancel)
    router.post("/jobs/:id/suspend", use: suspend)
    router.post("/jobs/:id/resume", use: resume)
  }

  /// 202 for a new job, 200 for one that the same idempotency key has made before.
  @Sendable private func schedule(
    _ request: Request, _ context: BasicRequestContext
  ) async throws -> Response {
    let caller = try Caller(request.headers)
    let bytes = try await body.bytes(of: request)
    let wish = try ScheduleBody(
      parsing: bytes.readableBytesView, knownTypes: service.types.map(\.id))
    let scheduled = try await service.schedule(wish.submission(by: caller))
    return .json(
      scheduled.job, status: scheduled.isNew ? .accepted : .ok,
      headers: [.location: "/jobs/\(scheduled.job.id)"])
  }

  @Sendable private func list(
    _ request: Request, _ context: BasicRequestContext
  ) async throws -> Response {
    let tenant = try Caller(request.headers).tenant
    switch try JobListQuery(request.uri) {
    case .filtered(let filter):
      let found = try await service.list(filter.query(tenant: tenant))
      return .json(
        JobList(
          pageSize: filter.page.pageSize, pageNumber: filter.page.page,
          order: filter.order.description, total: found.total,
          next: found.next?.description, jobs: found.jobs))
    case .idempotencyKey(let key):
      let job = try await service.job(idempotencyKey: key, tenant: tenant)
      let jobs = job.map { [$0] } ?? []
      return .json(
        JobList(
          pageSize: PageQuery.defaultSize, pageNumber: 1, order: JobOrder.standard.description,
          total: jobs.count, jobs: jobs))
    }
  }

  @Sendable private func get(
    _ request: Request, _ context: BasicRequestContext
  ) async throws -> Response {
    let tenant = try Caller(request.headers).tenant
    return .json(try await service.job(try context.parameters.jobID(), tenant: tenant))
  }

  @Sendable private func delete(
    _ request: Request, _ context: BasicRequestContext
  ) async throws -> Response {
    let tenant = try Caller(request.headers).tenant
    let job = try await service.delete(
      try context.parameters.jobID(), tenant: tenant, reason: try ReasonQuery(request.uri).reason)
    return .json(job, status: .accepted)
  }

  @Sendable private func suspend(
    _ request: Request, _ context: BasicRequestContext
  ) async throws -> Response {
    let tenant = try Caller(request.headers).tenant
    let job = try await service.suspend(try context.parameters.jobID(), tenant: tenant)
    return .json(job, status: .accepted)
  }

  @Sendable private func resume(
    _ request: Request, _ context: BasicRequestContext
  ) async throws -> Response {
    let tenant = try Caller(request.headers).tenant
    let job = try await service.resume(try context.parameters.jobID(), tenant: tenant)
    return .json(job, status: .accepted)
  }

  @Sendable private func cancel(
    _ request: Request, _ context: BasicRequestContext
  ) async throws -> Response {
    let tenant = try Caller(request.headers).tenant
    let job = try await service.cancel(
      try context.parameters.jobID(), tenant: tenant, reason: try ReasonQuery(request.uri).reason)
    return .json(job, status: .accepted)
  }
}
