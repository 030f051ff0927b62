import HTTPTypes
import Hummingbird
import NIOCore

/// Lets pages of other origins use the API from a browser (CORS, as the Fetch Standard has it). Without origins nothing is said,
/// and browsers keep them away.
///
/// Hummingbird's own middleware answers for one origin, and only preflights say there what a page may read; this one picks the
/// origin, says it with every answer, and has caches keep the answers apart.
struct CrossOriginMiddleware<Context: RequestContext>: RouterMiddleware {
  /// What a page may read of an answer besides what every page may.
  static var exposed: String { "Location, ETag, Retry-After, Allow" }
  /// Any origin.
  static var any: String { "*" }

  /// As browsers send them, `https://ops.example.org`; or ``any``.
  let origins: Set<String>

  func handle(
    _ request: Request, context: Context,
    next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    let isAny = origins.contains(Self.any)
    guard let origin = request.headers[.origin], isAny || origins.contains(origin) else {
      var response = try await next(request, context)
      if !isAny { response.headers[values: .vary].append("Origin") }
      return response
    }
    var response = try await middleware(for: isAny ? nil : origin)
      .handle(request, context: context, next: next)
    response.headers[.accessControlExposeHeaders] = Self.exposed
    return response
  }

  /// - Parameter origin: `nil` for any.
  private func middleware(for origin: String?) -> CORSMiddleware<Context> {
    let names = [
      "Accept", "Authorization", "Content-Type", IdempotencyKeyHeader.name, "If-None-Match",
      "Last-Event-ID", Caller.tenantHeader, Caller.userHeader, "traceparent", "tracestate",
      "baggage",
    ]
    return CORSMiddleware(
      allowOrigin: origin.map { .custom($0) } ?? .all,
      allowHeaders: names.compactMap { HTTPField.Name($0) },
      allowMethods: [.get, .head, .post, .delete], maxAge: .hours(1))
  }
}
