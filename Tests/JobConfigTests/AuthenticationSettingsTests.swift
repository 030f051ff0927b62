import Foundation
import JobConfig
import Jobs
import Testing

@Suite("Who may use the API, in the configuration")
struct AuthenticationSettingsTests {
  private static func parse(
    _ text: String, _ environment: [String: String] = [:]
  ) throws -> WarrenConfiguration {
    try WarrenConfiguration.parse(text, file: "warren.yaml", environment: environment)
  }

  @Test("is nobody asked for a token, without a word of it")
  func defaults() throws {
    let http = try Self.parse("").http
    #expect(http.auth == .none)
    #expect(http.jwt == nil)
    #expect(http.auditRetention == .seconds(90 * 86_400))
  }

  @Test("has tokens and JWTs, from the file and the environment")
  func tokens() throws {
    let text = """
      http:
        auth: tokens
        audit_retention: 0s
        jwt: {issuer: i, audience: a, jwks: keys.json, leeway: 5s, role_claim: warren}
      """
    let http = try Self.parse(text).http
    #expect(http.auth == .tokens)
    #expect(http.auditRetention == .zero)
    #expect(http.jwt?.issuer == "i")
    #expect(http.jwt?.audience == "a")
    #expect(http.jwt?.jwks == "keys.json")
    #expect(http.jwt?.leeway == .seconds(5))
    #expect(http.jwt?.roleClaim == "warren")
    #expect(http.jwt?.tenantClaim == "tenant_id")
    let other = try Self.parse(
      "",
      [
        "WARREN_HTTP_AUTH": "tokens", "WARREN_HTTP_JWT_ISSUER": "i",
        "WARREN_HTTP_JWT_AUDIENCE": "a", "WARREN_HTTP_JWT_JWKS": "k",
        "WARREN_HTTP_AUDIT_RETENTION": "2h",
      ]
    ).http
    #expect(other.auth == .tokens)
    #expect(other.jwt?.jwks == "k")
    #expect(other.auditRetention == .seconds(7200))
  }

  @Test(
    "names what is wrong",
    arguments: [
      ("http: {auth: basic}", "none, tokens"),
      ("http: {auth: tokens, jwt: {issuer: i}}", "audience"),
      ("http: {auth: tokens, jwt: {}}", "issuer"),
      ("http: {jwt: {issuer: i, audience: a, jwks: k}}", "auth: tokens"),
      ("http: {audit_retention: 1m}", "1h"),
      ("http: {auth: tokens, jwt: {issuer: i, audience: a, jwks: k, leeway: 1h}}", "10m"),
      ("http: {auth: tokens, jwt: {issuer: i, audience: a, jwks: k, secret: s}}", "secret"),
    ])
  func wrong(text: String, what: String) throws {
    let error = #expect(throws: ConfigurationError.self) { try Self.parse(text) }
    #expect(error?.description.contains(what) == true, "\(error?.description ?? "")")
  }

  @Test("warns of a server that would not start")
  func warning() throws {
    let warned = try Self.parse("http: {host: 0.0.0.0}").warnings
    #expect(warned.count == 1)
    #expect(warned.first?.message.contains("auth: tokens") == true)
    #expect(try Self.parse("http: {host: 0.0.0.0, auth: tokens}").warnings.isEmpty)
    #expect(try Self.parse("http: {host: localhost}").warnings.isEmpty)
  }
}
