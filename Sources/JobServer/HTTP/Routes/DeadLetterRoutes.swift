import Foundation
import HTTPTypes
import Hummingbird
import JobTransport
import Jobs

/// `/dead_letters`: messages that could not be accepted, until their cause is mended.
struct DeadLetterRoutes {
  let letters: DeadLetterOperations
  let body: JSONBody

  func add(to routes: inout APIRoutes) {
    routes.get("/dead_letters", .wholeTenant(.read), use: list)
    routes.get("/dead_letters/groups", .wholeTenant(.read), use: groups)
    routes.post("/dead_letters/redrive", .wholeTenant(.operate), use: redriveMany)
    routes.post("/dead_letters/drop", .wholeTenant(.operate), use: dropMany)
    routes.get("/dead_letters/:id", .wholeTenant(.read), use: get)
    routes.patch("/dead_letters/:id", .wholeTenant(.operate), use: edit)
    routes.delete("/dead_letters/:id", .wholeTenant(.operate), use: drop)
    routes.post("/dead_letters/:id/redrive", .wholeTenant(.operate), use: redrive)
  }

  @Sendable private func list(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    let tenant = try context.caller.tenant
    let query = try QueryParameters(
      request.uri, known: PageQuery.names + ["after"] + DeadLetterListQuery.filterNames)
    let page = try PageQuery(query)
    if query["after"] != nil, query["page"] != nil {
      throw APIProblem(
        .invalidParameter, "the query parameters after and page exclude each other")
    }
    let found = try await letters.list(
      DeadLetterQuery(
        tenant: tenant, filter: try DeadLetterListQuery(query).filter,
        after: try DeadLetterListQuery.place(query["after"]),
        offset: (page.page - 1) * page.pageSize, limit: page.pageSize))
    return try .json(
      DeadLetterList(
        pageSize: page.pageSize, pageNumber: page.page, total: found.total,
        next: found.next.map(String.init), deadLetters: found.letters))
  }

  @Sendable private func groups(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    let tenant = try context.caller.tenant
    let query = try QueryParameters(request.uri, known: DeadLetterListQuery.filterNames)
    return try .json(
      DeadLetterGroupList(
        groups: try await letters.groups(try DeadLetterListQuery(query).filter, tenant: tenant)))
  }

  @Sendable private func get(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let caller = try context.caller
    return try answer(
      try await letters.letter(
        try context.parameters.deadLetterID(), tenant: caller.tenant, ownToo: caller.seesEverything)
    )
  }

  @Sendable private func edit(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let caller = try context.caller
    let id = try context.parameters.deadLetterID()
    let wish = try DeadLetterEdit(parsing: try await body.bytes(of: request).readableBytesView)
    context.note.set(wish.summary)
    let known = try await letters.letter(
      id, tenant: caller.tenant, ownToo: caller.seesEverything)
    let content =
      wish.isReset
      ? nil
      : try wish.applied(
        to: known.current, tenant: known.record.tenantID, user: caller.principal.user)
    return try answer(
      try await letters.edit(id, tenant: caller.tenant, to: content, by: caller.user))
  }

  /// 202 for one that was published; what becomes of it is seen in the letter. 200 for a dry run, whatever it says.
  @Sendable private func redrive(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    let caller = try context.caller
    let id = try context.parameters.deadLetterID()
    let isDryRun = try QueryParameters(request.uri, known: ["dry_run"]).flag("dry_run")
    let results = try await letters.redrive(
      [id], tenant: caller.tenant, isDryRun: isDryRun, ownToo: caller.seesEverything)
    guard let result = results.first, result.outcome != .unknown else {
      throw JobOperationError.unknownDeadLetter(id)
    }
    if isDryRun { return try .json(result) }
    switch result.outcome {
    case .sent: return try .json(result, status: .accepted)
    case .failed:
      throw APIProblem(
        .notReady, result.detail ?? "the broker did not take it",
        headers: [.retryAfter: String(APIProblem.retryAfter)])
    default:
      throw APIProblem(
        .deadLetterRefused,
        (result.outcome == .held ? "" : "it would be refused again: ") + (result.detail ?? ""),
        job: result.job, errors: result.errors)
    }
  }

  @Sendable private func drop(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let caller = try context.caller
    return try .json(
      try await letters.drop(
        try context.parameters.deadLetterID(), tenant: caller.tenant,
        ownToo: caller.seesEverything))
  }

  /// 200 whatever became of each: its own result says that.
  @Sendable private func redriveMany(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let caller = try context.caller
    let wish = try DeadLetterBody(
      parsing: try await body.bytes(of: request).readableBytesView, needsFilter: false)
    context.note.set(wish.selection.summary)
    return try .json(
      try await letters.redrive(
        wish.selection, tenant: caller.tenant, ownToo: caller.seesEverything))
  }

  @Sendable private func dropMany(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let caller = try context.caller
    let wish = try DeadLetterBody(
      parsing: try await body.bytes(of: request).readableBytesView, needsFilter: true)
    context.note.set(wish.selection.summary)
    return try .json(
      try await letters.drop(
        wish.selection, tenant: caller.tenant, ownToo: caller.seesEverything))
  }

  private func answer(_ letter: StoredDeadLetter) throws -> Response {
    try .json(
      DeadLetterDetail(
        letter: letter.record, message: LetterCoding.shown(letter.original),
        edited: letter.edited.map(LetterCoding.shown)))
  }
}

extension Parameters {
  /// The id of a dead letter in the path.
  ///
  /// - Throws: ``APIProblem`` when it is no UUID.
  fileprivate func deadLetterID() throws(APIProblem) -> UUID {
    let text = decoded("id")
    guard let id = UUID(uuidString: text) else {
      throw APIProblem(
        .invalidParameter, "'\(text.prefix(100))' is no id of a dead letter, which is a UUID")
    }
    return id
  }
}
