import Crypto
import Foundation
import HTTPTypes
import HummingbirdTesting
import JWTKit
import Jobs
import Testing

@testable import JobServer

@Suite("JWTs", .timeLimit(.minutes(2)))
struct JWTTests {
  /// An issuer, with its keys in a file.
  private struct Issuer {
    struct Claims: JWTPayload {
      var values: JSONValue
      init(_ values: JSONValue) { self.values = values }
      init(from decoder: any Decoder) throws { values = try JSONValue(from: decoder) }
      func encode(to encoder: any Encoder) throws { try values.encode(to: encoder) }
      func verify(using algorithm: some JWTAlgorithm) {}
    }

    let key = ES256PrivateKey()
    let id: String
    let path: String

    init(_ id: String = "one", path: String) {
      self.id = id
      self.path = path
    }

    var jwk: String {
      get throws {
        let parameters = try #require(key.publicKey.parameters)
        func url(_ base64: String) -> String {
          base64.replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
        }
        return """
          {"kty":"EC","crv":"P-256","kid":"\(id)","use":"sig","x":"\(url(parameters.x))","y":"\(url(parameters.y))"}
          """
      }
    }

    func write(_ others: String...) throws {
      let keys = (try [jwk] + others).joined(separator: ",")
      try Data(#"{"keys":[\#(keys)]}"#.utf8).write(to: URL(filePath: path))
    }

    func token(
      _ changes: [String: JSONValue?] = [:], kid: String? = nil
    ) async throws -> String {
      let now = Date.now.timeIntervalSince1970
      var claims: [String: JSONValue] = [
        "iss": "https://issuer.example.org", "aud": ["warren", "other"], "sub": "anna",
        "exp": .integer(Int64(now) + 60), "tenant_id": .string(UUID.zero.uuidString),
        "role": "write",
      ]
      for (name, value) in changes { claims[name] = value }
      let keys = JWTKeyCollection()
      await keys.add(ecdsa: key)
      return try await keys.sign(Claims(.object(claims)), kid: JWKIdentifier(string: kid ?? id))
    }

    var settings: JWTSettings {
      JWTSettings(issuer: "https://issuer.example.org", audience: "warren", jwks: path)
    }
  }

  private static func with(
    _ body: (APIFixture, Issuer, JWTAuthority, ManualClock) async throws -> Void
  ) async throws {
    let path = URL.temporaryDirectory.appending(path: "warren-jwks-\(UUID()).json").path()
    defer { try? FileManager.default.removeItem(atPath: path) }
    let issuer = Issuer(path: path)
    try issuer.write()
    try await APIFixture.with { fixture in
      let clock = ManualClock()
      let authority = try await JWTAuthority(
        issuer.settings, clock: SystemTime(manual: clock), log: ServerLog(fixture.service.logger))
      try await body(fixture, issuer, authority, clock)
    }
  }

  /// The wall clock, with a time that tests move for what is done every few seconds.
  private struct SystemTime: ServerClock {
    let manual: ManualClock
    var now: Timestamp { .now }
    var uptime: Duration { manual.uptime }
    func sleep(for duration: Duration) async throws(CancellationError) {
      try await manual.sleep(for: duration)
    }
  }

  @Test("says who asks, for whom and in which role")
  func principal() async throws {
    try await Self.with { fixture, issuer, authority, _ in
      let (tenant, user) = (UUID(), UUID())
      let token = try await issuer.token([
        "tenant_id": .string(tenant.uuidString), "user_id": .string(user.uuidString),
        "role": ["x", "read", "operate"], "types": ["files:*"],
      ])
      try await fixture.testTokens(jwt: authority) { client async throws in
        let me = try await client.send(.get, "/whoami", token: token).decoded(
          as: CallerDescription.self)
        #expect(me.authentication == "jwt")
        #expect(me.name == "anna")
        #expect(me.tenant == .one(tenant))
        #expect(me.requestUser == user)
        #expect(me.role == .operate)
        #expect(me.types == [try #require(NamePattern("files:*"))])
        let every = try await issuer.token(["tenant_id": "*"])
        #expect(
          try await client.send(.get, "/whoami", token: every).decoded(as: CallerDescription.self)
            .tenant == .every)
      }
      // Where nobody said whose JWTs are taken, none are.
      try await fixture.testTokens { client async throws in
        #expect(try await client.send(.get, "/whoami", token: token).status == .unauthorized)
      }
    }
  }

  @Test(
    "is refused, and why is said, without a word of it",
    arguments: [
      (["iss": "https://other.example.org"], "iss"), (["iss": nil], "iss"), (["aud": "x"], "aud"),
      (["aud": []], "aud"), (["aud": nil], "aud"), (["aud": [1]], "aud"), (["exp": nil], "exp"),
      (["exp": 1], "expired"), (["exp": "9999999999"], "exp"), (["exp": 1e300], "exp"),
      (["nbf": 9_999_999_999], "nbf"), (["sub": nil], "sub"), (["sub": ""], "sub"),
      (["role": "root"], "role"), (["role": nil], "role"), (["tenant_id": nil], "tenant_id"),
      (["tenant_id": "x"], "tenant_id"), (["tenant_id": ["*"]], "tenant_id"),
      (["user_id": "x"], "user_id"), (["types": ["a b"]], "types"), (["types": []], "types"),
      (["queues": 1], "queues"),
    ] as [([String: JSONValue?], String)])
  func refused(changes: [String: JSONValue?], name: String) async throws {
    try await Self.with { _, issuer, authority, _ in
      let token = try await issuer.token(changes)
      let error = await #expect(throws: JWTRefusal.self) {
        try await authority.principal(of: token)
      }
      #expect(error?.description.contains(name) == true, "\(error?.description ?? "")")
      #expect(error.map { !token.contains($0.description) } == true)
    }
  }

  @Test("counts until its end, and from its beginning, give or take the leeway")
  func leeway() throws {
    var settings = JWTSettings(issuer: "i", audience: "a", jwks: "")
    settings.leeway = .seconds(30)
    let now = Timestamp(milliseconds: 1_000_000_000)
    func principal(_ end: Int64, _ begin: Int64) throws -> Principal {
      try settings.principal(
        of: [
          "iss": "i", "aud": "a", "sub": "s", "role": "read", "tenant_id": "*",
          "exp": .integer(end), "nbf": .integer(begin),
        ], at: now)
    }
    _ = try principal(999_971, 1_000_030)
    #expect(throws: JWTRefusal.self) { try principal(999_970, 0) }
    #expect(throws: JWTRefusal.self) { try principal(1_000_001, 1_000_031) }
  }

  @Test("without a signature, or by a secret that both sides know, is refused")
  func algorithms() async throws {
    try await Self.with { _, issuer, authority, _ in
      let good = try await issuer.token()
      _ = try await authority.principal(of: good)
      let parts = good.split(separator: ".").map(String.init)
      func url(_ data: Data) -> String {
        data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
          .replacing("=", with: "")
      }
      func head(_ text: String) -> String { url(Data(text.utf8)) }
      let file = try Data(contentsOf: URL(filePath: issuer.path))
      var forged = [
        head(#"{"alg":"none","kid":"one"}"#) + "." + parts[1] + ".",
        head(#"{"alg":"none"}"#) + "." + parts[1] + ".",
        head(#"{"alg":"ES384","kid":"one"}"#) + "." + parts[1] + "." + parts[2],
        head(#"{"alg":"ES256","kid":"one","crit":["x"]}"#) + "." + parts[1] + "." + parts[2],
        head(#"{"alg":"ES256","kid":"other"}"#) + "." + parts[1] + "." + parts[2],
        head(#"{"alg":"ES256","kid":1}"#) + "." + parts[1] + "." + parts[2],
        parts[0] + "." + head(#"{"sub":"root"}"#) + "." + parts[2],
        parts[0] + "." + parts[1] + ".", parts[0] + "." + parts[1] + ".AAAA", "..", "a.b.c",
      ]
      // The public key, taken for a secret.
      for secret in [file, Data(try issuer.jwk.utf8)] {
        let signed = head(#"{"alg":"HS256","kid":"one"}"#) + "." + parts[1]
        let code = HMAC<SHA256>.authenticationCode(
          for: Data(signed.utf8), using: SymmetricKey(data: secret))
        forged.append(signed + "." + url(Data(code)))
      }
      for token in forged {
        await #expect(throws: JWTRefusal.self, "\(token)") {
          try await authority.principal(of: token)
        }
      }
    }
  }

  @Test("new keys count within seconds, removed ones do not, and a broken file changes nothing")
  func rotation() async throws {
    try await Self.with { _, issuer, authority, clock in
      let next = Issuer("two", path: issuer.path)
      let (old, new) = (try await issuer.token(), try await next.token())
      _ = try await authority.principal(of: old)
      await #expect(throws: JWTRefusal.self) { try await authority.principal(of: new) }
      try issuer.write(try next.jwk)
      // Nobody makes the server read the file again and again.
      await #expect(throws: JWTRefusal.self) { try await authority.principal(of: new) }
      clock.advance(by: JWTAuthority.interval)
      _ = try await authority.principal(of: new)
      _ = try await authority.principal(of: old)
      try next.write()
      clock.advance(by: JWTAuthority.interval)
      await #expect(throws: JWTRefusal.self) { try await authority.principal(of: old) }
      try Data("broken".utf8).write(to: URL(filePath: issuer.path))
      clock.advance(by: JWTAuthority.interval)
      _ = try await authority.principal(of: new)
      try issuer.write()
      await authority.reload()
      _ = try await authority.principal(of: old)
    }
  }

  @Test(
    "a file of keys that cannot be used is refused, and why is said",
    arguments: [
      ("", "no JSON Web Key Set"), ("{}", "no JSON Web Key Set"), (#"{"keys":[]}"#, "no key"),
      (#"{"keys":[{"kty":"oct","kid":"a","k":"AAAA"}]}"#, "no key"),
      (#"{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"A","y":"A","d":"A"}]}"#, "private"),
      (#"{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"A","y":"A"}]}"#, "cannot be read"),
      (#"{"keys":[{"kty":"EC","crv":"secp256k1","kid":"a","x":"A","y":"A"}]}"#, "crv"),
      (#"{"keys":[{"kty":"RSA","alg":"HS256","kid":"a","n":"A","e":"AQAB"}]}"#, "alg"),
      (#"{"keys":[{"kty":"RSA","kid":"a","n":"AAAA","e":"AQAB"}]}"#, "2048"),
    ])
  func keys(text: String, why: String) async throws {
    let error = await #expect(throws: JWTKeysError.self) {
      try await JWTKeys(parsing: Data(text.utf8), path: "keys.json")
    }
    #expect(error?.description.contains(why) == true, "\(error?.description ?? "")")
    #expect(error?.description.contains("keys.json") == true)
  }
}
