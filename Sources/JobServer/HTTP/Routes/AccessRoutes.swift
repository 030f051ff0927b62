import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Jobs

/// `/whoami`, `/tokens` and `/audit`: who may do what, and what was done.
struct AccessRoutes {
  /// The most tokens of one answer.
  static let mostTokens = 1000

  let tokens: TokenRegistry
  let audit: AuditLog
  let body: JSONBody
  let clock: any ServerClock

  func add(to routes: inout APIRoutes) {
    routes.get("/whoami", .read, use: describe)
    routes.get("/tokens", .wholeTenant(.admin), use: list)
    routes.post("/tokens", .wholeTenant(.admin), use: create)
    routes.delete("/tokens/:id", .wholeTenant(.admin), use: revoke)
    routes.get("/audit", .wholeTenant(.admin), use: read)
  }

  @Sendable private func describe(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let caller = try context.caller
    let principal = caller.principal
    let (authentication, name): (String, String?) =
      switch principal.kind {
      case .anyone: ("none", nil)
      case .token(_, let name): ("token", name)
      case .subject(let name): ("jwt", name)
      }
    return try .json(
      CallerDescription(
        authentication: authentication, name: name, tenant: principal.tenant,
        requestTenant: caller.tenant, requestUser: caller.user, role: principal.role,
        types: principal.scope.types, queues: principal.scope.queues,
        expiresAt: principal.expiresAt))
  }

  @Sendable private func list(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let tenant = Self.tenant(try context.caller)
    let found = try await Self.reading { () throws(StoreError) in
      try await tokens.store.tokens(of: tenant, limit: Self.mostTokens)
    }
    return try .json(TokenList(tokens: found))
  }

  /// 201, with the token: nobody can see it again.
  @Sendable private func create(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let caller = try context.caller
    let now = clock.now
    let wish = try TokenBody(
      parsing: try await body.bytes(of: request).readableBytesView, at: now
    ).request
    let tenant = wish.tenant ?? .one(caller.tenant)
    context.note.set("token \(wish.name), role \(wish.role.rawValue)")
    if case .one(let own) = caller.principal.tenant, tenant != .one(own) {
      throw APIProblem.forbidden(
        "whoever asks speaks for one tenant, and can give tokens for that one alone")
    }
    let token = APIToken(
      id: .version7(at: now), name: wish.name, tenant: tenant, user: wish.user, role: wish.role,
      types: wish.types, queues: wish.queues, createdAt: now,
      createdBy: caller.principal.description, expiresAt: wish.expiresAt)
    let secret = TokenSecret()
    let isAdded = try await Self.reading { () throws(StoreError) in
      try await tokens.add(token, secret)
    }
    guard isAdded else {
      throw APIProblem(
        .nameTaken,
        "another token of the tenant that is not revoked is called '\(wish.name)'; revoke that one,"
          + " or take another name")
    }
    context.note.set(
      "token \(token.id.uuidString.lowercased()) \(wish.name), role \(wish.role.rawValue)")
    return try .json(
      IssuedToken(secret: secret.text, token: token), status: .created,
      headers: [
        .location: "/tokens/\(token.id.uuidString.lowercased())", .cacheControl: "no-store",
      ])
  }

  /// 200, since it does not count any more when this answers.
  @Sendable private func revoke(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let tenant = Self.tenant(try context.caller)
    let text = context.parameters.decoded("id")
    guard let id = UUID(uuidString: text) else {
      throw APIProblem(
        .invalidParameter, "'\(text.prefix(100))' is no id of a token, which is a UUID")
    }
    let token = try await Self.reading { () throws(StoreError) in
      try await tokens.revoke(id, tenant: tenant)
    }
    guard let token else {
      throw APIProblem(.notFound, "there is no token \(id.uuidString.lowercased())")
    }
    context.note.set("token \(token.name)")
    return try .json(token)
  }

  @Sendable private func read(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    let caller = try context.caller
    let query = try AuditListQuery(request.uri)
    if let own = Self.tenant(caller), let tenant = query.tenant, tenant != own {
      throw APIProblem.forbidden("whoever asks speaks for one tenant, and sees its entries alone")
    }
    let found = try await Self.reading { () throws(StoreError) in
      try await audit.store.audit(query.query(of: Self.tenant(caller) ?? query.tenant))
    }
    let shown = Array(found.prefix(query.pageSize))
    return try .json(
      AuditPage(entries: shown, next: found.count > shown.count ? shown.last?.number : nil))
  }

  /// The tenant whose tokens and entries somebody sees; `nil` for all.
  private static func tenant(_ caller: Caller) -> UUID? {
    switch caller.principal.tenant {
    case .one(let id): id
    case .every: nil
    }
  }

  private static func reading<Value>(
    _ body: () async throws(StoreError) -> Value
  ) async throws -> Value {
    do throws(StoreError) {
      return try await body()
    } catch {
      throw JobOperationError.store(error)
    }
  }
}

/// The body of `POST /tokens`.
struct TokenBody: Equatable {
  static let members = [
    "name", "role", "tenant_id", "user_id", "types", "queues", "expires_at",
  ]
  static let mostPatterns = 50

  let request: TokenRequest

  /// - Throws: ``APIProblem`` when the bytes are no JSON, or its members are not what they have to be.
  init(parsing bytes: some Collection<UInt8>, at now: Timestamp) throws(APIProblem) {
    var reader = try MemberReader(
      parsing: bytes, known: Self.members, example: #"{"name": "ci", "role": "write"}"#)
    let name = reader.string("name")
    reader.require("name", "what the token is called, as in ci")
    let role: APIRole? = reader.choice("role")
    reader.require("role", "what it may do: read, write, operate or admin")
    let tenant = reader.string("tenant_id").flatMap { Self.tenant($0, &reader) }
    let user = reader.string("user_id").flatMap { text in
      let id = UUID(uuidString: text)
      if id == nil { reader.note("the member user_id must be a UUID") }
      return id
    }
    let types = Self.patterns("types", &reader)
    let queues = Self.patterns("queues", &reader)
    let end = reader.integer("expires_at", in: JobSubmission.moments, unit: "Unix milliseconds")
      .map(Timestamp.init(milliseconds:))
    if let name, !APIToken.isName(name) {
      reader.note(
        "the member name must have 1 to \(APIToken.longestName) characters, without line ends")
    }
    if let end, end <= now { reader.note("the member expires_at is in the past") }
    try reader.finish()
    guard let name, let role else {
      throw APIProblem(.invalidBody, "the members name and role are missing")
    }
    request = TokenRequest(
      name: name, role: role, tenant: tenant, user: user, types: types, queues: queues,
      expiresAt: end)
  }

  private static func tenant(_ text: String, _ reader: inout MemberReader) -> TenantAccess? {
    if text == "*" { return .every }
    if let id = UUID(uuidString: text) { return .one(id) }
    reader.note("the member tenant_id must be a UUID, or * for all tenants")
    return nil
  }

  private static func patterns(_ name: String, _ reader: inout MemberReader) -> [NamePattern] {
    guard let words = reader.strings(name) else { return [] }
    let patterns = words.compactMap(NamePattern.init)
    // An empty list would be a token for everything.
    if words.isEmpty {
      reader.note("the member \(name) must not be empty; without it, all are meant")
    }
    if patterns.count < words.count || words.count > mostPatterns {
      reader.note(
        "the member \(name) must be at most \(mostPatterns) names or patterns, as in files:*")
    }
    return patterns
  }
}

/// The query of `GET /audit`.
struct AuditListQuery: Equatable {
  let tenant: UUID?
  let principal: String?
  let action: String?
  let isRefused: Bool?
  let before: Int64?
  let pageSize: Int

  init(_ uri: URI) throws(APIProblem) {
    let query = try QueryParameters(
      uri, known: ["tenant_id", "principal", "action", "refused", "before", "page_size"])
    tenant = try query["tenant_id"].map { text throws(APIProblem) in
      guard let id = UUID(uuidString: text) else {
        throw .parameter("tenant_id", "must be a UUID", text)
      }
      return id
    }
    principal = query["principal"]
    action = query["action"]
    isRefused = query["refused"] == nil ? nil : try query.flag("refused")
    before = Int64(try query.integer("before", in: 1...Int.max, default: Int.max))
    pageSize = try query.integer("page_size", in: 1...1000, default: 50)
  }

  /// With one entry more than is shown, which tells whether there are more.
  func query(of tenant: UUID?) -> AuditQuery {
    AuditQuery(
      tenant: tenant, principal: principal, action: action, isRefused: isRefused, before: before,
      limit: pageSize + 1)
  }
}
