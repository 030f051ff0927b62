import HTTPTypes
import Hummingbird
import Jobs

/// Refuses what pages of other origins would have changed. A browser sends a request that has no body for any page, without asking
/// first, and only keeps the page from reading the answer: by then a job has been canceled, say.
///
/// Programs that are no browsers send none of these headers, and are not asked for any.
struct ForeignOriginMiddleware<Context: RequestContext>: RouterMiddleware {
  /// What changes nothing (RFC 9110, section 9.2.1).
  private static var safe: [HTTPRequest.Method] { [.get, .head, .options] }

  /// As for ``CrossOriginMiddleware``.
  let origins: Set<String>

  func handle(
    _ request: Request, context: Context,
    next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    if !Self.safe.contains(request.method) { try check(request) }
    return try await next(request, context)
  }

  private func check(_ request: Request) throws(APIProblem) {
    guard !origins.contains(CrossOriginMiddleware<Context>.any) else { return }
    guard let origin = request.headers[.origin] else {
      guard let name = HTTPField.Name("Sec-Fetch-Site"), request.headers[name] == "cross-site"
      else { return }
      throw refusal("a page of another site (Sec-Fetch-Site: cross-site)")
    }
    guard !origins.contains(origin), !Self.isOwn(origin, of: request.head.authority) else { return }
    throw refusal("a page of '\(origin.prefix(200))'")
  }

  private func refusal(_ who: String) -> APIProblem {
    APIProblem(
      .forbiddenOrigin,
      "\(who) may not change anything here; its origin would have to be among http.cors.origins")
  }

  /// - Parameter host: the request's `Host`.
  static func isOwn(_ origin: String, of host: String?) -> Bool {
    guard let host else { return false }
    // A proxy may speak TLS in the server's place: only a browser knows which scheme it used.
    return ["http": ":80", "https": ":443"].contains { scheme, port in
      var host = host.lowercased()
      // Browsers leave the usual port out.
      if host.hasSuffix(port) { host.removeLast(port.count) }
      return origin == "\(scheme)://\(host)"
    }
  }
}
