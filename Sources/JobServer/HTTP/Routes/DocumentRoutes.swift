import APIDocument
import HTTPTypes
import Hummingbird
import NIOCore

/// `/openapi.yaml` and `/docs`: the description of the API, for programs and for people.
struct DocumentRoutes {
  /// It changes with the server's version only, but that under the same address.
  private static let caching = "no-cache"

  func add(to routes: inout APIRoutes) {
    routes.get("/openapi.yaml", .open, use: document)
    routes.get("/docs", .open, use: page)
  }

  @Sendable private func document(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    return .tagged(
      ByteBuffer(string: APIDocument.yaml), contentType: "application/yaml",
      caching: Self.caching, for: request)
  }

  @Sendable private func page(
    _ request: Request, _ context: APIContext
  ) async throws -> Response {
    try QueryParameters.refuseAll(of: request.uri)
    let page = try APIDocument.page()
    return .tagged(
      ByteBuffer(string: page.html), contentType: "text/html; charset=utf-8",
      caching: Self.caching,
      headers: [
        .contentSecurityPolicy: page.contentSecurityPolicy, .xContentTypeOptions: "nosniff",
      ], for: request)
  }
}
