import Foundation
import HTTPTypes
import HummingbirdTesting
import JobStore
import Jobs
import Testing

@testable import JobServer

@Suite("/tokens and /audit", .timeLimit(.minutes(2)))
struct TokenRoutesTests {
  @Test("a token is shown once, counts at once, and is refused at once when it is revoked")
  func life() async throws {
    try await APIFixture.with { fixture in
      let admin = try await fixture.token(.admin, tenant: .every, name: "root").secret
      let tenant = UUID()
      try await fixture.testTokens { client async throws in
        let end = Timestamp.now + .seconds(3600)
        let response = try await client.send(
          .post, "/tokens", token: admin,
          body: """
            {"name":"ci","role":"write","tenant_id":"\(tenant)","types":["files:*"],
             "expires_at":\(end.milliseconds)}
            """)
        #expect(response.status == .created)
        #expect(response.headers[.cacheControl] == "no-store")
        let issued = try response.decoded(as: IssuedToken.self)
        #expect(issued.token.name == "ci")
        #expect(issued.token.tenant == .one(tenant))
        #expect(issued.token.role == .write)
        #expect(issued.token.expiresAt == end)
        #expect(issued.token.createdBy.contains("root"))
        #expect(try await client.send(.get, "/jobs", token: issued.secret).status == .ok)

        let list = try await client.send(.get, "/tokens", token: admin)
        #expect(!list.text.contains(issued.secret))
        #expect(!list.text.contains("hash"))
        #expect(try list.decoded(as: TokenList.self).tokens.map(\.name) == ["ci", "root"])

        let path = "/tokens/\(issued.token.id.uuidString.lowercased())"
        #expect(response.headers[.location] == path)
        let revoked = try await client.send(.delete, path, token: admin).decoded(as: APIToken.self)
        #expect(revoked.revokedAt != nil)
        #expect(try await client.send(.get, "/jobs", token: issued.secret).status == .unauthorized)
        // Again is the same.
        #expect(
          try await client.send(.delete, path, token: admin).decoded(as: APIToken.self) == revoked)
      }
    }
  }

  @Test("a tenant's admin gives tokens of that tenant alone, and sees those alone")
  func tenants() async throws {
    try await APIFixture.with { fixture in
      let (tenant, other) = (UUID(), UUID())
      let admin = try await fixture.token(.admin, tenant: .one(tenant), name: "own").secret
      let foreign = try await fixture.token(.admin, tenant: .one(other), name: "theirs").token
      try await fixture.token(.admin, tenant: .every, name: "root")
      try await fixture.testTokens { client async throws in
        for wish in [other.uuidString, "*"] {
          let response = try await client.send(
            .post, "/tokens", token: admin,
            body: #"{"name":"x","role":"read","tenant_id":"\#(wish)"}"#)
          #expect(response.status == .forbidden)
        }
        // The name is the other tenant's, which tells nothing of it.
        let made = try await client.send(
          .post, "/tokens", token: admin, body: #"{"name":"theirs","role":"admin"}"#)
        #expect(made.status == .created)
        #expect(try made.decoded(as: IssuedToken.self).token.tenant == .one(tenant))
        let again = try await client.send(
          .post, "/tokens", token: admin, body: #"{"name":"theirs","role":"read"}"#)
        #expect(try again.problem().type == "/problems/name-taken")
        let list = try await client.send(.get, "/tokens", token: admin).decoded(as: TokenList.self)
        #expect(list.tokens.map(\.name) == ["theirs", "own"])
        let response = try await client.send(.delete, "/tokens/\(foreign.id)", token: admin)
        #expect(response.status == .notFound)
      }
      #expect(try await fixture.store.tokens(of: other, limit: 9)[0].revokedAt == nil)
    }
  }

  @Test(
    "what is wrong with a wish is said at once",
    arguments: [
      (#"{}"#, ["name", "role"]), (#"{"name":"","role":"read"}"#, ["name"]),
      (#"{"name":"a\nb","role":"root"}"#, ["name", "role"]),
      (#"{"name":"a","role":"read","tenant_id":"x","user_id":"y"}"#, ["tenant_id", "user_id"]),
      (#"{"name":"a","role":"read","types":["a b"],"queues":"x"}"#, ["types", "queues"]),
      (#"{"name":"a","role":"read","types":[],"queues":[]}"#, ["types", "queues"]),
      (#"{"name":"a","role":"read","expires_at":1}"#, ["expires_at"]),
      (#"{"name":"a","role":"read","scope":"all"}"#, ["scope"]),
    ])
  func invalid(body: String, names: [String]) async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client async throws in
        let problem = try await client.problem(.post, "/tokens", body: body)
        #expect(problem.type == "/problems/invalid-body")
        for name in names { #expect(problem.detail.contains(name), "\(problem.detail)") }
      }
    }
  }

  @Test(
    "what changes something is in the audit log when it is answered, and so is what was refused")
  func audit() async throws {
    try await APIFixture.with { fixture in
      let tenant = UUID()
      let writer = try await fixture.token(.write, tenant: .one(tenant), name: "writer").secret
      let admin = try await fixture.token(.admin, tenant: .one(tenant), name: "boss").secret
      let root = try await fixture.token(.admin, tenant: .every, name: "root").secret
      let job = try await fixture.scheduled(tenant: tenant)
      try await fixture.testTokens { client async throws in
        _ = try await client.send(
          .post, "/jobs/\(job.id)/cancel?reason=no+use", token: writer)
        _ = try await client.send(.delete, "/jobs/\(job.id)", token: writer)
        _ = try await client.send(.post, "/jobs", token: writer, body: #"{"type":"files:count"}"#)
        _ = try await client.send(.get, "/jobs", token: writer)
        _ = try await client.send(.post, "/jobs/\(JobID())/retry", token: writer)
        _ = try await client.send(
          .post, "/tokens", token: admin, body: #"{"name":"new","role":"read"}"#)
        _ = try await client.send(.post, "/prune", token: root)

        let page = try await client.send(.get, "/audit", token: admin).decoded(as: AuditPage.self)
        #expect(
          page.entries.map { "\($0.status) \($0.action)" } == [
            "201 POST /tokens", "404 POST /jobs/{id}/retry", "403 DELETE /jobs/{id}",
            "202 POST /jobs/{id}/cancel",
          ])
        let cancel = try #require(page.entries.last)
        #expect(cancel.principal.hasSuffix(" writer"))
        #expect(cancel.tenantID == tenant)
        #expect(cancel.role == .write)
        #expect(cancel.target == job.id.description)
        #expect(cancel.params == "reason=no+use")
        #expect(page.entries[0].params?.contains("new, role read") == true)

        // Filters, and pages.
        let first = try await client.send(.get, "/audit?page_size=1", token: admin).decoded(
          as: AuditPage.self)
        #expect(first.entries == [page.entries[0]])
        let rest = try await client.send(
          .get, "/audit?before=\(try #require(first.next))", token: admin
        ).decoded(as: AuditPage.self)
        #expect(rest.entries == Array(page.entries.dropFirst()))
        let refused = try await client.send(.get, "/audit?refused=true", token: admin).decoded(
          as: AuditPage.self)
        #expect(refused.entries.map(\.status) == [404, 403])
        let prune = try await client.send(
          .get, "/audit?action=POST%20/prune", token: root
        ).decoded(as: AuditPage.self)
        #expect(prune.entries.count == 1)
        #expect(
          try await client.send(.get, "/audit?tenant_id=\(UUID())", token: admin).status
            == .forbidden)
        let all = try await client.send(.get, "/audit", token: root)
        for secret in [writer, admin, root] { #expect(!all.text.contains(secret)) }
      }
    }
  }

  @Test("refusals without end do not fill the disk, and old entries go")
  func bounds() async throws {
    try await APIFixture.with { fixture in
      let clock = ManualClock()
      let audit = AuditLog(
        store: fixture.store, retention: .seconds(100), clock: clock,
        log: ServerLog(fixture.service.logger))
      func note(_ status: Int) async {
        await audit.note(.nobody, action: "POST /prune", target: nil, params: nil, status: status)
      }
      for _ in 0..<100 { await note(403) }
      await note(200)
      func count() async throws -> Int {
        try await fixture.store.audit(AuditQuery(limit: 1000)).count
      }
      #expect(try await count() == AuditLog.mostRefusals + 1)
      clock.advance(by: .seconds(61))
      await note(403)
      #expect(try await count() == AuditLog.mostRefusals + 2)
      try await clock.passing(by: .seconds(1)) {
        clock.advance(by: .seconds(50))
        await audit.prune()
      }
      #expect(try await count() == 1)
    }
  }
}
