import HTTPTypes
import Hummingbird
import Jobs

/// What a route asks of whoever uses it.
enum RouteAccess: Sendable, Hashable {
  /// Nothing: it tells nobody anything of anybody.
  case open
  /// The role, for what belongs to the caller's tenant.
  case tenant(APIRole)
  /// The role, and to speak for all tenants: it shows or changes what is everybody's.
  case everyTenant(APIRole)

  static let read = tenant(.read)
  static let write = tenant(.write)
  static let operate = tenant(.operate)
}

/// Adds routes to the router, each with what it asks of whoever uses it: there is no other way to add one.
struct APIRoutes {
  typealias Handler = @Sendable (Request, APIContext) async throws -> Response

  /// A route that was added.
  struct Entry: Sendable, Hashable {
    let method: HTTPRequest.Method
    let path: String
    let access: RouteAccess
  }

  let router: Router<APIContext>
  private(set) var entries: [Entry] = []

  init(router: Router<APIContext>) {
    self.router = router
  }

  mutating func get(_ path: RouterPath, _ access: RouteAccess, use handler: @escaping Handler) {
    add(.get, path, access, handler)
  }

  mutating func post(_ path: RouterPath, _ access: RouteAccess, use handler: @escaping Handler) {
    add(.post, path, access, handler)
  }

  mutating func patch(_ path: RouterPath, _ access: RouteAccess, use handler: @escaping Handler) {
    add(.patch, path, access, handler)
  }

  mutating func delete(_ path: RouterPath, _ access: RouteAccess, use handler: @escaping Handler) {
    add(.delete, path, access, handler)
  }

  private mutating func add(
    _ method: HTTPRequest.Method, _ path: RouterPath, _ access: RouteAccess,
    _ handler: @escaping Handler
  ) {
    entries.append(Entry(method: method, path: path.description, access: access))
    router.on(path, method: method, use: handler)
  }
}
