import HTTPTypes
import Hummingbird
import HummingbirdCore
import Jobs

/// What a route asks of whoever uses it.
enum RouteAccess: Sendable, Hashable {
  /// Nothing: it tells nobody anything of anybody.
  case open
  /// The role, for what belongs to the caller's tenant and is within its patterns.
  case tenant(APIRole)
  /// The role, and no patterns: it is about all that belongs to the caller's tenant.
  case wholeTenant(APIRole)
  /// The role, and to speak for all tenants: it shows or changes what is everybody's.
  case everyTenant(APIRole)

  static let read = tenant(.read)
  static let write = tenant(.write)
  static let operate = tenant(.operate)

  /// The least role that it takes; `nil` for none.
  var role: APIRole? {
    switch self {
    case .open: nil
    case .tenant(let role), .wholeTenant(let role), .everyTenant(let role): role
    }
  }

  /// Throws ``APIProblem`` for whoever may not use it.
  func check(_ principal: Principal) throws(APIProblem) {
    guard let role else { return }
    guard principal.role >= role else {
      throw .forbidden(
        "this takes the role \(role.rawValue); whoever asks has the role"
          + " \(principal.role.rawValue)")
    }
    switch self {
    case .open, .tenant: break
    case .wholeTenant:
      guard principal.scope == .all else { throw Self.patterns(role) }
    case .everyTenant:
      guard principal.tenant == .every else {
        throw .forbidden(
          "this is about what is of all tenants: it takes the role \(role.rawValue) for all of them;"
            + " whoever asks speaks for one")
      }
      guard principal.scope == .all else { throw Self.patterns(role) }
    }
  }

  private static func patterns(_ role: APIRole) -> APIProblem {
    .forbidden(
      "this is about jobs of any type and queue: it takes the role \(role.rawValue) without patterns;"
        + " whoever asks is bound to some")
  }
}

/// Adds routes to the router, each with what it asks of whoever uses it: there is no other way to add one. What changes something
/// stands in the audit log, and so does what was refused for lack of a role.
struct APIRoutes {
  typealias Handler = @Sendable (Request, APIContext) async throws -> Response

  /// A route that was added.
  struct Entry: Sendable, Hashable {
    let method: HTTPRequest.Method
    let path: String
    let access: RouteAccess
    let isAudited: Bool

    /// As the audit log and the document of the API name it.
    var name: String { "\(method.rawValue) \(path)" }
  }

  let router: Router<APIContext>
  private let audit: AuditLog
  private(set) var entries: [Entry] = []

  init(router: Router<APIContext>, audit: AuditLog) {
    self.router = router
    self.audit = audit
  }

  mutating func get(_ path: RouterPath, _ access: RouteAccess, use handler: @escaping Handler) {
    add(.get, path, access, isAudited: false, handler)
  }

  /// - Parameter isAudited: `false` for what is done all the time, and leaves jobs behind that say who wanted them.
  mutating func post(
    _ path: RouterPath, _ access: RouteAccess, isAudited: Bool = true,
    use handler: @escaping Handler
  ) {
    add(.post, path, access, isAudited: isAudited, handler)
  }

  mutating func patch(_ path: RouterPath, _ access: RouteAccess, use handler: @escaping Handler) {
    add(.patch, path, access, isAudited: true, handler)
  }

  mutating func delete(_ path: RouterPath, _ access: RouteAccess, use handler: @escaping Handler) {
    add(.delete, path, access, isAudited: true, handler)
  }

  private mutating func add(
    _ method: HTTPRequest.Method, _ path: RouterPath, _ access: RouteAccess, isAudited: Bool,
    _ handler: @escaping Handler
  ) {
    let entry = Entry(
      method: method, path: path.description, access: access, isAudited: isAudited)
    entries.append(entry)
    let gate = RouteGate(entry: entry, audit: audit)
    router.on(path, method: method) { request, context in
      try await gate.pass(request, context, to: handler)
    }
  }
}

/// Stands before a route.
struct RouteGate: Sendable {
  let entry: APIRoutes.Entry
  let audit: AuditLog

  func pass(
    _ request: Request, _ context: APIContext, to handler: APIRoutes.Handler
  ) async throws -> Response {
    guard entry.access != .open else { return try await handler(request, context) }
    let caller = try context.caller
    do throws(APIProblem) {
      try entry.access.check(caller.principal)
    } catch {
      await note(caller, request, context, error.status.code)
      throw error
    }
    do {
      let response = try await handler(request, context)
      if entry.isAudited { await note(caller, request, context, response.status.code) }
      return response
    } catch {
      let problem = APIProblem.known(error)
      if entry.isAudited || problem?.problem.type == ProblemKind.forbidden.path {
        await note(caller, request, context, problem?.status.code ?? 500)
      }
      throw error
    }
  }

  private func note(
    _ caller: Caller, _ request: Request, _ context: APIContext, _ status: Int
  ) async {
    await audit.note(
      caller, action: entry.name,
      target: (context.parameters.get("id") ?? context.parameters.get("name"))
        .map { String($0.prefix(100)) },
      params: context.note.text ?? request.uri.query, status: status)
  }
}
