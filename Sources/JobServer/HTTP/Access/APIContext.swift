import Hummingbird

/// What a request carries on its way through the middleware to its route.
struct APIContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  /// Who asks, or why that is not known; set by ``CallerMiddleware``.
  var identity: Result<Caller, APIProblem> = .success(.nobody)

  init(source: Source) {
    coreContext = CoreRequestContextStorage(source: source)
  }

  /// Who asks.
  ///
  /// - Throws: ``APIProblem`` where the request does not say so in a way that can be read.
  var caller: Caller { get throws(APIProblem) { try identity.get() } }
}

/// Finds out who asks. What cannot be read is refused by the routes that want to know.
struct CallerMiddleware: RouterMiddleware {
  func handle(
    _ request: Request, context: APIContext,
    next: (Request, APIContext) async throws -> Response
  ) async throws -> Response {
    var context = context
    context.identity = Result { () throws(APIProblem) in try Caller(request.headers) }
    return try await next(request, context)
  }
}
