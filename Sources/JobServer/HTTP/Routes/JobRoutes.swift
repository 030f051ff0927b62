import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Jobs
import NIOCore
import ServiceLifecycle

/// `/jobs` and what lies under it, but for waiting.
struct JobRoutes {
  let service: JobOperations
  let body: JSONBody

  func add(to routes: inout APIRoutes) {
    routes.post("/jobs", .write, isAudited: false, use: schedule)
    routes.get("/jobs", .read, use: list)
    routes.get("/jobs/:id", .read, use: get)
    routes.get("/jobs/:id/log", .read, use: log)
    routes.delete("/jobs/:id", .operate, use: delete)
    routes.post("/jobs/:id/cancel", .write, use: cancel)
    routes.post("/jobs/:id/suspend", .write, use: suspend)
    routes.post("/jobs/:id/resume", .write, use: resume)
    routes.post("/jobs/:id/retry", .write, use: retry)
  }

  /// 202 for a new job, 200 for one that the same idempotency key has made before.
  @Sendable private func schedule(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let caller = try context.caller
    let key = try IdempotencyKeyHeader.key(in: request.headers)
    let bytes = try await body.bytes(of: request)
    let wish = try ScheduleBody(
      parsing: bytes.readableBytesView, knownTypes: service.types(in: caller.scope).map(\.id))
    try service.check(wish.type, scheduledBy: caller)
    var submission = wish.submission(by: caller, request.headers)
    submission.idempotencyKey = try IdempotencyKeyHeader.agreed(key, wish.idempotencyKey)
    let scheduled: ScheduledJob
    do throws(ScheduleError) {
      scheduled = try await service.schedule(submission)
    } catch .conflict(let existing, let key) {
      throw APIProblem(.conflict(existing: existing, key: key), toldTo: caller)
    }
    return .json(
      scheduled.job, status: scheduled.isNew ? .accepted : .ok,
      headers: [.location: "/jobs/\(scheduled.job.id)"])
  }

  @Sendable private func list(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    let caller = try context.caller
    switch try JobListQuery(request.uri) {
    case .filtered(let filter):
      var query = filter.query(tenant: caller.tenant)
      query.scope = caller.scope
      let found = try await service.list(query)
      return .json(
        JobList(
          pageSize: filter.page.pageSize, pageNumber: filter.page.page,
          order: filter.order.description, total: found.total,
          next: found.next?.description, jobs: found.jobs))
    case .idempotencyKey(let key):
      let job = try await service.job(idempotencyKey: key.uuid, tenant: caller.tenant)
      let jobs = [job].compactMap(\.self).filter { caller.scope.contains($0.type, in: $0.queue) }
      return .json(
        JobList(
          pageSize: PageQuery.defaultSize, pageNumber: 1, order: JobOrder.standard.description,
          total: jobs.count, jobs: jobs))
    }
  }

  @Sendable private func get(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let tenant = try context.caller.tenant
    let job = try await service.job(try await context.jobID(readFrom: service), tenant: tenant)
    // A client may keep it, and has to ask whether it still holds; the same address is another tenant's as well.
    return .tagged(
      ByteBuffer(bytes: job.json), contentType: JSONBody.mediaType, caching: "private, no-cache",
      headers: [.vary: Caller.tenantHeader], for: request)
  }

  @Sendable private func log(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    let tenant = try context.caller.tenant
    let number = try QueryParameters(request.uri, known: ["after"]).integer(
      "after", in: 0...Int.max, default: 0)
    return try .json(
      try await service.log(
        of: try await context.jobID(readFrom: service), tenant: tenant, after: Int64(number)))
  }

  @Sendable private func delete(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    let tenant = try context.caller.tenant
    let reason = try ReasonQuery(request.uri).reason
    let job = try await service.delete(
      try await context.jobID(changedIn: service), tenant: tenant, reason: reason)
    return .json(job, status: .accepted)
  }

  @Sendable private func suspend(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let tenant = try context.caller.tenant
    try await request.refuseBody()
    let job = try await service.suspend(try await context.jobID(changedIn: service), tenant: tenant)
    return .json(job, status: .accepted)
  }

  @Sendable private func resume(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let tenant = try context.caller.tenant
    try await request.refuseBody()
    let job = try await service.resume(try await context.jobID(changedIn: service), tenant: tenant)
    return .json(job, status: .accepted)
  }

  /// 202 for a new job, 200 for the one that an earlier request has made.
  @Sendable private func retry(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let tenant = try context.caller.tenant
    try IdempotencyKeyHeader.refuse(
      in: request.headers,
      "a job is retried once, and asked for again the answer is the same new job")
    try await request.refuseBody()
    let retried = try await service.retry(
      try await context.jobID(changedIn: service), tenant: tenant)
    return .json(
      retried.job, status: retried.isNew ? .accepted : .ok,
      headers: [.location: "/jobs/\(retried.job.id)"])
  }

  @Sendable private func cancel(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    let tenant = try context.caller.tenant
    try await request.refuseBody()
    let reason = try ReasonQuery(request.uri).reason
    let job = try await service.cancel(
      try await context.jobID(changedIn: service), tenant: tenant, reason: reason)
    return .json(job, status: .accepted)
  }
}

/// Why a client cancels or deletes a job, for people.
struct ReasonQuery: Equatable {
  let reason: String?

  init(_ uri: URI) throws(APIProblem) {
    reason = try QueryParameters(uri, known: ["reason"])["reason"]
    let longest = JobCancellation.longestReason
    if let reason, reason.count > longest {
      throw .parameter("reason", "must have at most \(longest) characters", reason)
    }
  }
}

/// `/jobs/{id}/wait`: answers when the job is at rest, and with the job as it is when the time has passed.
struct JobWaitRoute {
  let service: JobOperations

  func add(to routes: inout APIRoutes) {
    routes.get("/jobs/:id/wait", .read, use: wait)
  }

  @Sendable private func wait(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    let tenant = try context.caller.tenant
    let id = try await context.jobID(readFrom: service)
    let limit = try WaitQuery(request.uri).limit
    let job = try await service.job(id, tenant: tenant)
    if job.status.isAtRest || limit == .zero { return answer(job) }
    let atRest = try await settled(id, tenant: tenant, atMost: limit, request)
    guard await context.isStillAllowed() else {
      throw APIProblem.unauthenticated("the token has ended while you waited", isInvalid: true)
    }
    if let atRest { return answer(atRest, closing: true) }
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

/// How long a client waits for a job.
struct WaitQuery: Equatable {
  /// In seconds; what stands between client and server often gives up after a minute.
  static let limits = 0.0...60.0
  static let defaultLimit = 30.0

  let limit: Duration

  init(_ uri: URI) throws(APIProblem) {
    let query = try QueryParameters(uri, known: ["timeout"])
    guard let text = query["timeout"] else {
      limit = .seconds(Self.defaultLimit)
      return
    }
    guard let seconds = Double(text), Self.limits.contains(seconds) else {
      throw .parameter("timeout", "must be a number of seconds from 0 to 60", text)
    }
    limit = .seconds(seconds)
  }
}
