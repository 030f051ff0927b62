import Foundation
import HTTPTypes
import HummingbirdTesting
import Jobs
import NIOCore
import Testing

@testable import JobServer

/// Tokens for the tests of the API.
extension APIFixture {
  /// A new token that is in the store.
  @discardableResult
  func token(
    _ role: APIRole, tenant: TenantAccess, user: UUID? = nil, types: [String] = [],
    queues: [String] = [], expiresAt: Timestamp? = nil, name: String = UUID().uuidString
  ) async throws -> (secret: String, token: APIToken) {
    let secret = TokenSecret()
    let token = APIToken(
      id: .version7(), name: name, tenant: tenant, user: user, role: role,
      types: types.compactMap(NamePattern.init), queues: queues.compactMap(NamePattern.init),
      createdAt: .now, createdBy: "the test", expiresAt: expiresAt)
    try #require(try await api.tokens.add(token, secret))
    return (secret.text, token)
  }

  /// Sends requests to a server that asks for tokens.
  func testTokens<Value>(
    jwt: JWTAuthority? = nil, limits: TenantLimits = TenantLimits(),
    _ body: @Sendable (APIClient) async throws -> Value
  ) async throws -> Value {
    try await test(
      limits: limits, authentication: .tokens(api.tokens, jwt: jwt), body)
  }
}

extension APIClient {
  /// Sends a request with a token.
  func send(
    _ method: HTTPRequest.Method = .get, _ uri: String, token: String?, tenant: UUID? = nil,
    body: String? = nil, headers: HTTPFields = [:]
  ) async throws -> TestResponse {
    var headers = headers
    if let token { headers[.authorization] = "Bearer \(token)" }
    if let tenant, let name = HTTPField.Name(Caller.tenantHeader) {
      headers[name] = tenant.uuidString
    }
    return try await send(method, uri, headers: headers, body: body)
  }
}

extension TestResponse {
  var text: String { String(buffer: body) }
}
