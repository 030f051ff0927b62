import HTTPTypes
import Hummingbird

/// Answers what no route takes: 405 where the path is known for other methods, 404 otherwise.
struct UnknownPathMiddleware<Context: RequestContext>: RouterMiddleware {
  /// The known paths, with their methods.
  let paths: [(path: RouterPath, methods: [HTTPRequest.Method])]

  /// - Parameter router: with all its routes.
  init(router: Router<Context>) {
    var methods: [String: [HTTPRequest.Method]] = [:]
    var paths: [RouterPath] = []
    for route in router.routes {
      if methods[route.path.description] == nil { paths.append(route.path) }
      methods[route.path.description, default: []].append(route.method)
      // The router answers these by itself.
      if route.method == .get { methods[route.path.description, default: []].append(.head) }
    }
    self.paths = paths.map { ($0, methods[$0.description] ?? []) }
  }

  func handle(
    _ request: Request, context: Context,
    next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    let components = request.uri.path.split(separator: "/")
    let known = paths.first { path, _ in
      path.components.count == components.count
        && zip(path.components, components).allSatisfy { $0 ~= $1 }
    }
    guard let known else {
      throw APIProblem(
        .notFound,
        "there is nothing at \(request.uri.path.prefix(200)); known are "
          + paths.map(\.path.description).sorted().joined(separator: ", "))
    }
    let allowed = known.methods.map(\.rawValue).sorted().joined(separator: ", ")
    throw APIProblem(
      .methodNotAllowed,
      "\(known.path) does not take \(request.method.rawValue); it takes \(allowed)",
      headers: [.allow: allowed])
  }
}
