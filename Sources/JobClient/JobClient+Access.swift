public import Foundation
public import Jobs
import NIOHTTP1

extension JobClient {
  /// Who asks, as the server sees it, and what that somebody may do.
  public func whoAmI() async throws(JobClientError) -> CallerDescription {
    try await connection.send(APIRequest(path: ["whoami"])).value
  }

  /// The tokens that there are, the newest first, revoked ones among them: of the own tenant, or of all for whoever speaks for all.
  public func tokens() async throws(JobClientError) -> [APIToken] {
    try await connection.send(APIRequest(path: ["tokens"]), as: TokenList.self).value.tokens
  }

  /// Makes a token. Nobody can show its secret again.
  ///
  /// - Throws: a problem of the type `/problems/name-taken` when another has the name.
  public func createToken(_ request: TokenRequest) async throws(JobClientError) -> IssuedToken {
    let body: Data
    do {
      body = try JSONEncoder().encode(request)
    } catch {
      throw .invalidRequest("the token cannot be written as JSON: \(error)")
    }
    return try await connection.send(
      APIRequest(method: .POST, path: ["tokens"], body: body)
    ).value
  }

  /// Revokes a token: the server refuses it from now on.
  @discardableResult
  public func revokeToken(_ id: UUID) async throws(JobClientError) -> APIToken {
    try await connection.send(
      APIRequest(method: .DELETE, path: ["tokens", id.uuidString.lowercased()])
    ).value
  }

  /// The audit log, the newest entries first.
  ///
  /// - Parameters:
  ///   - tenant: only this tenant's; `nil` for all that the caller may see.
  ///   - principal: only this one's, as it stands in the entries.
  ///   - action: only this, as in `POST /jobs/{id}/cancel`.
  ///   - refused: only what was refused, or only what was done; `nil` for both.
  ///   - before: only older entries, by the number of one.
  ///   - pageSize: at most so many, up to 1000; 50 without.
  public func audit(
    tenant: UUID? = nil, principal: String? = nil, action: String? = nil, refused: Bool? = nil,
    before: Int64? = nil, pageSize: Int? = nil
  ) async throws(JobClientError) -> AuditPage {
    let all = [
      ("tenant_id", tenant?.uuidString.lowercased()), ("principal", principal),
      ("action", action), ("refused", refused.map { String($0) }),
      ("before", before.map { String($0) }), ("page_size", pageSize.map { String($0) }),
    ]
    let query = all.compactMap { name, value in value.map { (name: name, value: $0) } }
    return try await connection.send(APIRequest(path: ["audit"], query: query)).value
  }
}
