import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle

/// Serves the API over HTTP/1.1. When it is told to stop, open requests are answered first; waits end early.
struct HTTPServer: Service {
  /// After how long a connection on which nothing is asked is closed.
  static let idleTimeout = TimeAmount.seconds(75)

  let api: JobAPI
  /// A name or an address; 127.0.0.1 is reached from this machine alone.
  let host: String
  /// 0 takes any free port.
  let port: Int
  let logger: Logger
  /// How long a client may take nothing of what it is sent.
  var stallLimit = StalledWriteHandler.limit
  /// Told the port once requests are taken.
  var onBound: @Sendable (Int) async -> Void = { _ in }

  func run() async throws {
    let application = Application(
      router: api.router(),
      server: .http1(
        configuration: .init(
          additionalChannelHandlers: [StalledWriteHandler(limit: stallLimit)],
          idleTimeout: Self.idleTimeout)),
      configuration: ApplicationConfiguration(address: .hostname(host, port: port)),
      onServerRunning: { channel in
        if let port = channel.localAddress?.port { await onBound(port) }
      },
      logger: logger)
    do {
      try await application.run()
    } catch let error as IOError {
      let place = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
      throw HTTPServerError(
        error.errnoCode == EADDRINUSE
          ? "the API cannot listen on \(place): the port is in use, perhaps by another server;"
            + " choose another http.port (WARREN_HTTP_PORT)"
          : "the API cannot listen on \(place): \(String(cString: strerror(error.errnoCode)));"
            + " choose another http.host or http.port")
    } catch is SocketAddressError.UnknownHost {
      throw HTTPServerError(
        "the API cannot listen on \(host): the name is not known; choose another http.host")
    }
  }
}

/// The HTTP API: which routes there are, and what surrounds them.
struct JobAPI: Sendable {
  let service: JobOperations
  let deadLetters: DeadLetterOperations
  /// The largest request body, in bytes.
  let maxBodyBytes: Int
  /// What `/readyz` looks at.
  let readiness: [ReadinessCheck]
  /// How it is known who asks.
  var authentication = APIAuthentication.none
  let tokens: TokenRegistry
  let audit: AuditLog
  /// How many streams of events there may be at once.
  var streams = StreamSlots(most: JobServerConfiguration.standardStreams)
  /// What each tenant may ask.
  var limits = TenantLimits()
  /// The origins whose pages may use the API from a browser.
  var origins: [String] = []
  var clock: any ServerClock = SystemClock()

  func router() -> Router<APIContext> { routes().router }

  /// All routes, and the router that has them.
  func routes() -> APIRoutes {
    let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
    var routes = APIRoutes(router: router, audit: audit)
    router.add(middleware: LogRequestsMiddleware(.debug))
    if !origins.isEmpty {
      router.add(middleware: CrossOriginMiddleware(origins: Set(origins)))
    }
    router.add(middleware: ProblemMiddleware())
    router.add(middleware: ForeignOriginMiddleware(origins: Set(origins)))
    router.add(middleware: AuthenticationMiddleware(authentication: authentication))
    if limits != TenantLimits() {
      router.add(middleware: AdmissionMiddleware(gate: TenantGate(limits, clock: clock)))
    }
    // Before what has the job's id in the same place: an unknown method is told of the path that was meant.
    BulkRoutes(service: service, body: JSONBody(limit: maxBodyBytes)).add(to: &routes)
    DeadLetterRoutes(letters: deadLetters, body: JSONBody(limit: maxBodyBytes)).add(to: &routes)
    JobRoutes(service: service, body: JSONBody(limit: maxBodyBytes)).add(to: &routes)
    JobWaitRoute(service: service).add(to: &routes)
    EventStreamRoutes(service: service, slots: streams).add(to: &routes)
    JobTypeRoutes(service: service).add(to: &routes)
    JobGroupRoutes(service: service).add(to: &routes)
    QueueRoutes(service: service).add(to: &routes)
    WorkerRoutes(service: service).add(to: &routes)
    QuotaRoutes(service: service).add(to: &routes)
    WebhookRoutes(service: service).add(to: &routes)
    PruneRoute(service: service).add(to: &routes)
    AccessRoutes(
      tokens: tokens, audit: audit, body: JSONBody(limit: maxBodyBytes), clock: service.clock
    ).add(to: &routes)
    HealthRoutes(checks: readiness).add(to: &routes)
    DocumentRoutes().add(to: &routes)
    // A middleware applies to the routes that come after it: this one only to what no route takes.
    router.add(middleware: UnknownPathMiddleware(router: router))
    return routes
  }
}

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

/// Why the API cannot be served.
package struct HTTPServerError: Error, CustomStringConvertible {
  package let description: String

  init(_ description: String) {
    self.description = description
  }
}
