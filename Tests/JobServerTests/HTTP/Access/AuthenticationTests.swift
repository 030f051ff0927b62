import AMQP
import Foundation
import GRDB
import HTTPTypes
import HummingbirdTesting
import JobTransport
import Jobs
import Logging
import Testing

@testable import JobServer
@testable import JobStore

@Suite("Tokens", .timeLimit(.minutes(2)))
struct AuthenticationTests {
  @Test("the header has to be Bearer and a token, whatever its case")
  func bearer() throws {
    #expect(try AuthenticationMiddleware.bearer([.authorization: "Bearer abc"]) == "abc")
    #expect(try AuthenticationMiddleware.bearer([.authorization: "bearer  abc"]) == "abc")
    for value in ["", "abc", "Bearer", "Bearer ", "Basic abc", "Bearerabc"] {
      let error = #expect(throws: APIProblem.self) {
        try AuthenticationMiddleware.bearer([.authorization: value])
      }
      #expect(error?.status == .unauthorized, "\(value)")
    }
    var twice = HTTPFields()
    twice.append(HTTPField(name: .authorization, value: "Bearer a"))
    twice.append(HTTPField(name: .authorization, value: "Bearer b"))
    #expect(throws: APIProblem.self) { try AuthenticationMiddleware.bearer(twice) }
    #expect(throws: APIProblem.self) {
      try AuthenticationMiddleware.bearer([
        .authorization: "Bearer " + String(repeating: "a", count: 9000)
      ])
    }
  }

  @Test("secrets are all different, and stored as a hash alone")
  func secrets() async throws {
    let secrets = (0..<1000).map { _ in TokenSecret() }
    #expect(Set(secrets.map(\.text)).count == 1000)
    #expect(Set(secrets.map(\.hash)).count == 1000)
    for secret in secrets {
      #expect(secret.text.contains(/^wrn_[A-Za-z0-9_-]{43}$/))
      #expect(secret.hash.count == 32)
    }
    try await APIFixture.with { fixture in
      let (secret, _) = try await fixture.token(.read, tenant: .every)
      let rows = try await fixture.store.writes.write { transaction in
        try String.fetchAll(
          transaction.db, sql: "SELECT hex(hash) || name || created_by FROM token")
      }
      #expect(rows.count == 1)
      #expect(!rows[0].contains(secret.dropFirst(4)))
    }
  }

  @Test("a token says for whom it speaks, and headers may repeat that")
  func caller() async throws {
    try await APIFixture.with { fixture in
      let (tenant, user) = (UUID(), UUID())
      let (secret, token) = try await fixture.token(
        .write, tenant: .one(tenant), user: user, types: ["files:*"], name: "ci")
      try await fixture.testTokens { client async throws in
        let me = try await client.send(.get, "/whoami", token: secret).decoded(
          as: CallerDescription.self)
        #expect(me.authentication == "token")
        #expect(me.name == "ci")
        #expect(me.tenant == .one(tenant))
        #expect(me.requestTenant == tenant)
        #expect(me.requestUser == user)
        #expect(me.role == .write)
        #expect(me.types == token.types)
        let same = try await client.send(.get, "/whoami", token: secret, tenant: tenant)
        #expect(same.status == .ok)
        let other = try await client.send(.get, "/whoami", token: secret, tenant: UUID())
        #expect(try other.problem().type == "/problems/forbidden")
        var headers = HTTPFields()
        headers[try #require(HTTPField.Name(Caller.userHeader))] = UUID().uuidString
        let stranger = try await client.send(.get, "/whoami", token: secret, headers: headers)
        #expect(try stranger.problem().type == "/problems/forbidden")
      }
    }
  }

  @Test("a job is the tenant's and the user's of the token that schedules it")
  func scheduling() async throws {
    try await APIFixture.with { fixture in
      let (tenant, user) = (UUID(), UUID())
      let secret = try await fixture.token(.write, tenant: .one(tenant), user: user).secret
      try await fixture.testTokens { client async throws in
        let job = try await client.send(
          .post, "/jobs", token: secret, body: #"{"type":"files:count"}"#
        ).decoded(as: Job.self)
        #expect(job.tenantID == tenant)
        #expect(job.userID == user)
      }
    }
  }

  @Test(
    "what this server revokes does not count any more, what another revokes a few seconds later")
  func revoking() async throws {
    try await APIFixture.with { fixture in
      let clock = ManualClock()
      let log = ServerLog(fixture.service.logger)
      let registry = TokenRegistry(store: fixture.store, clock: clock, log: log)
      let (secret, token) = try await fixture.token(.read, tenant: .every)
      let (other, second) = try await fixture.token(.read, tenant: .every)
      _ = try await registry.token(for: TokenSecret(secret))
      _ = try await registry.token(for: TokenSecret(other))
      _ = try await registry.revoke(token.id, tenant: nil)
      await #expect(throws: APIProblem.self) {
        try await registry.token(for: TokenSecret(secret))
      }
      _ = try await registry.token(for: TokenSecret(other))
      // By another process, of which this one is not told.
      _ = try await fixture.store.revokeToken(second.id, tenant: nil, at: .now)
      _ = try await registry.token(for: TokenSecret(other))
      clock.advance(by: TokenRegistry.freshness)
      await #expect(throws: APIProblem.self) {
        try await registry.token(for: TokenSecret(other))
      }
      // One that is made is known at once, though it was asked for before.
      let new = TokenSecret()
      await #expect(throws: APIProblem.self) { try await registry.token(for: new) }
      let made = APIToken(
        id: UUID(), name: "new", tenant: .every, role: .read, createdAt: .now, createdBy: "test")
      try #require(try await fixture.store.add(made, hash: new.hash))
      _ = try await registry.token(for: new)
    }
  }

  @Test("a token expires to the moment, and its last use is written together with others'")
  func expiry() async throws {
    try await APIFixture.with { fixture in
      let clock = ManualClock()
      let registry = TokenRegistry(
        store: fixture.store, clock: clock, log: ServerLog(fixture.service.logger))
      let (secret, token) = try await fixture.token(
        .read, tenant: .every, expiresAt: ManualClock.start + .seconds(2))
      clock.advance(by: .milliseconds(1999))
      _ = try await registry.token(for: TokenSecret(secret))
      clock.advance(by: .milliseconds(1))
      let error = await #expect(throws: APIProblem.self) {
        try await registry.token(for: TokenSecret(secret))
      }
      #expect(error?.problem.detail == "the token has expired")
      #expect(try await fixture.store.tokens(of: nil, limit: 9)[0].lastUsedAt == nil)
      await registry.writeUses()
      let written = try await fixture.store.tokens(of: nil, limit: 9)
      #expect(written.map(\.id) == [token.id])
      #expect(written[0].lastUsedAt == ManualClock.start + .milliseconds(1999))
    }
  }

  @Test("who is not known costs no tenant its requests")
  func admission() async throws {
    try await APIFixture.with { fixture in
      let secret = try await fixture.token(.read, tenant: .one(.zero)).secret
      try await fixture.testTokens(limits: TenantLimits(rate: 0.001, burst: 1)) {
        client async throws in
        for _ in 0..<5 {
          #expect(try await client.send(.get, "/jobs", token: nil).status == .unauthorized)
          #expect(try await client.send(.get, "/jobs", token: "x").status == .unauthorized)
        }
        #expect(try await client.send(.get, "/jobs", token: secret).status == .ok)
        #expect(try await client.send(.get, "/jobs", token: secret).status == .tooManyRequests)
      }
    }
  }

  @Test("a server that everybody reaches does not start without tokens")
  func refusesToListen() throws {
    #expect(Loopback.contains("127.0.0.1") && Loopback.contains("127.9.9.9"))
    #expect(Loopback.contains("::1") && Loopback.contains("localhost"))
    for host in [
      "0.0.0.0", "::", "192.168.1.2", "example.org", "127.0.0.1.example.org", "::ffff:1",
    ] {
      #expect(!Loopback.contains(host), "\(host)")
      var configuration = try JobServerConfiguration(
        broker: .init(host: "127.0.0.1", port: 1), names: .init(prefix: "test"), store: "x.sqlite",
        host: host)
      let error = #expect(throws: HTTPServerError.self) { try configuration.checkAccess() }
      #expect(error?.description.contains("http.auth: tokens") == true)
      #expect(error?.description.contains("warren token create --store x.sqlite") == true)
      configuration.requiresTokens = true
      try configuration.checkAccess()
    }
  }
}
