import Foundation
import HTTPTypes
import HummingbirdTesting
import JobStore
import Jobs
import NIOCore
import Testing

@testable import JobServer

/// Every route, as two tenants and in each role. A route that is new has to be added to ``Walk/all``.
@Suite("Who may do what", .timeLimit(.minutes(3)))
struct AccessWalkTests {
  @Test("every route is walked, and no other")
  func classified() async throws {
    try await APIFixture.with { fixture in
      let routes = fixture.api.routes().entries.map(\.name)
      #expect(Set(routes).subtracting(Walk.all.keys) == [], "routes that are not walked")
      #expect(Set(Walk.all.keys).subtracting(routes) == [], "walks of routes that there are not")
      #expect(Set(routes).count == routes.count)
    }
  }

  @Test("only what supervises and describes the server is open")
  func open() async throws {
    try await APIFixture.with { fixture in
      let open = fixture.api.routes().entries.filter { $0.access == .open }.map(\.name)
      #expect(
        Set(open) == ["GET /healthz", "GET /readyz", "GET /openapi.yaml", "GET /docs"])
      try await fixture.testTokens { client async throws in
        for route in open {
          let response = try await client.send(
            .get, String(route.dropFirst("GET ".count)), token: nil)
          #expect(response.status != .unauthorized, "\(route)")
        }
      }
    }
  }

  @Test("nothing else is answered to whoever has no token that is in use")
  func unauthenticated() async throws {
    try await Stage.with { stage in
      let expired = try await stage.fixture.token(
        .admin, tenant: .every, expiresAt: .now + .seconds(-1))
      let revoked = try await stage.fixture.token(.admin, tenant: .every)
      _ = try await stage.fixture.api.tokens.revoke(revoked.token.id, tenant: nil)
      let tokens: [String?] = [nil, TokenSecret().text, "wrn_", expired.secret, revoked.secret]
      for entry in stage.entries where entry.access != .open {
        for token in tokens {
          let response = try await stage.send(entry, token: token)
          #expect(response.status == .unauthorized, "\(entry.name)")
          let challenge = try #require(response.headers[.wwwAuthenticate])
          #expect(challenge.hasPrefix("Bearer"))
          #expect(challenge.contains(#"error="invalid_token""#) == (token != nil))
          // The answer to HEAD has no body.
          if response.body.readableBytes == 0 { continue }
          #expect(try response.problem().type == "/problems/unauthenticated")
          if let token { #expect(!response.text.contains(token)) }
          stage.expectNothing(of: .first, in: response, entry.name)
        }
      }
      #expect(try await stage.fingerprint() == stage.before)
    }
  }

  @Test("nothing is done beyond the role, whoever's it is", arguments: APIRole.allCases)
  func roles(role: APIRole) async throws {
    try await Stage.with { stage in
      let token = try await stage.fixture.token(role, tenant: .every).secret
      for entry in stage.entries {
        guard let needed = entry.access.role, role < needed else { continue }
        let response = try await stage.send(entry, token: token, tenant: stage.first.tenant)
        #expect(response.status == .forbidden, "\(entry.name)")
        #expect(
          response.headers[.wwwAuthenticate]?.contains(#"error="insufficient_scope""#) == true)
        let problem = try response.problem()
        #expect(problem.type == "/problems/forbidden")
        #expect(problem.detail.contains("the role \(needed.rawValue)"))
        #expect(problem.detail.contains("the role \(role.rawValue)"))
        stage.expectNothing(of: .first, in: response, entry.name)
      }
      #expect(try await stage.fingerprint() == stage.before)
    }
  }

  @Test("what the role allows is done", arguments: APIRole.allCases)
  func allowed(role: APIRole) async throws {
    try await Stage.with { stage in
      let one = try await stage.fixture.token(role, tenant: .one(stage.first.tenant)).secret
      let every = try await stage.fixture.token(role, tenant: .every).secret
      for entry in stage.entries {
        guard let needed = entry.access.role, role >= needed else { continue }
        let walk = try #require(Walk.all[entry.name])
        var isOfAll = false
        if case .everyTenant = entry.access { isOfAll = true }
        let response = try await stage.send(
          entry, token: isOfAll ? every : one, tenant: stage.first.tenant)
        #expect(
          walk.own.contains(response.status.code),
          "\(entry.name): \(response.status) \(response.text)")
        // What is of all tenants is not for whoever speaks for one.
        guard isOfAll else { continue }
        let refused = try await stage.send(entry, token: one, tenant: nil)
        #expect(refused.status == .forbidden, "\(entry.name)")
      }
    }
  }

  @Test("of another tenant nothing is seen or touched, in no role", arguments: APIRole.allCases)
  func tenants(role: APIRole) async throws {
    try await Stage.with { stage in
      let token = try await stage.fixture.token(role, tenant: .one(stage.second.tenant)).secret
      for entry in stage.entries where entry.access != .open {
        let response = try await stage.send(entry, token: token)
        let walk = try #require(Walk.all[entry.name])
        stage.expectNothing(of: .first, in: response, entry.name)
        if (try? entry.access.check(Principal(kind: .anyone, tenant: .one(UUID()), role: role)))
          == nil
        {
          #expect(response.status == .forbidden, "\(entry.name)")
        } else {
          #expect(
            walk.foreign.contains(response.status.code),
            "\(entry.name): \(response.status) \(response.text)")
        }
        // Nor by naming it.
        let named = try await stage.send(entry, token: token, tenant: stage.first.tenant)
        #expect(named.status == .forbidden, "\(entry.name)")
        stage.expectNothing(of: .first, in: named, entry.name)
      }
      #expect(try await stage.fingerprint() == stage.before)
    }
  }

  @Test("a tenant's job is answered as one that there is not, word for word")
  func sameAnswers() async throws {
    try await Stage.with { stage in
      let token = try await stage.fixture.token(.admin, tenant: .one(stage.second.tenant)).secret
      let none = JobID()
      #expect(stage.entries.count { $0.path.hasPrefix("/jobs/{id}") } > 8)
      for entry in stage.entries where entry.path.hasPrefix("/jobs/{id}") {
        let foreign = try await stage.send(entry, token: token)
        let missing = try await stage.send(entry, token: token, job: none)
        #expect(foreign.status == missing.status, "\(entry.name)")
        #expect(
          foreign.text.replacing(stage.first.job.description, with: "")
            == missing.text.replacing(none.description, with: ""), "\(entry.name)")
      }
    }
  }

  @Test("the totals and lists of a tenant count its own alone")
  func totals() async throws {
    try await Stage.with { stage in
      let token = try await stage.fixture.token(.operate, tenant: .one(stage.second.tenant)).secret
      try await stage.fixture.testTokens { client async throws in
        let list = try await client.send(.get, "/jobs", token: token).decoded(as: JobList.self)
        #expect(list.total == 1)
        #expect(list.jobs.map(\.id) == [stage.second.job])
        let queues = try await client.send(.get, "/queues", token: token).decoded(
          as: QueueList.self)
        #expect(queues.queues.map(\.waiting).reduce(0, +) == 1)
        let operations = try await client.send(.get, "/operations", token: token).decoded(
          as: BulkOperationList.self)
        #expect(operations.total == 0)
        let all = try await stage.fixture.token(.operate, tenant: .every).secret
        let whole = try await client.send(.get, "/queues", token: all).decoded(as: QueueList.self)
        #expect(whole.queues.map(\.waiting).reduce(0, +) == 2)
        // Whoever may not operate sees the tenant that it names, also where it may name any.
        let reader = try await stage.fixture.token(.read, tenant: .every).secret
        let part = try await client.send(
          .get, "/queues", token: reader, tenant: stage.second.tenant
        ).decoded(as: QueueList.self)
        #expect(part.queues.map(\.waiting).reduce(0, +) == 1)
      }
    }
  }
}

/// How a route is used, and how it answers.
private struct Walk: Sendable {
  var query = ""
  var body: String?
  /// Streams do not end: their heads are asked for.
  var isStream = false
  /// What the tenant gets whose job it is.
  let own: Set<Int>
  /// What another one gets.
  let foreign: Set<Int>

  static let all: [String: Walk] = [
    "POST /jobs/batch": Walk(
      body: #"[{"type":"files:count","idempotency_key":"key-of-first"}]"#, own: [200],
      foreign: [200]),
    "POST /jobs/bulk": Walk(
      body: #"{"action":"cancel","filter":{"type":"files:checksum"},"dry_run":true}"#,
      own: [200, 202], foreign: [200, 202]),
    "GET /dead_letters": Walk(own: [200], foreign: [200]),
    "GET /dead_letters/groups": Walk(own: [200], foreign: [200]),
    "GET /dead_letters/{id}": Walk(own: [200], foreign: [404]),
    "PATCH /dead_letters/{id}": Walk(
      body: #"{"params":{"path":"a"}}"#, own: [200], foreign: [404]),
    "POST /dead_letters/{id}/redrive": Walk(query: "?dry_run=true", own: [200], foreign: [404]),
    "DELETE /dead_letters/{id}": Walk(own: [200], foreign: [404]),
    "POST /dead_letters/redrive": Walk(
      body: #"{"filter":{},"dry_run":true}"#, own: [200], foreign: [200]),
    "POST /dead_letters/drop": Walk(
      body: #"{"filter":{"reason":"invalid-params"},"dry_run":true}"#, own: [200], foreign: [200]),
    "GET /quotas": Walk(own: [200], foreign: [200]),
    "GET /webhooks": Walk(own: [200], foreign: [200]),
    "POST /webhooks/{name}/test": Walk(own: [202], foreign: [404]),
    "GET /operations": Walk(own: [200], foreign: [200]),
    "GET /operations/{id}": Walk(own: [200], foreign: [404]),
    "POST /operations/{id}/cancel": Walk(own: [200], foreign: [404]),
    "POST /jobs": Walk(
      body: #"{"type":"files:count","idempotency_key":"key-of-first-2"}"#, own: [200, 202],
      foreign: [200, 202]),
    "GET /jobs": Walk(own: [200], foreign: [200]),
    "GET /jobs/{id}": Walk(own: [200], foreign: [404]),
    "GET /jobs/{id}/log": Walk(own: [200], foreign: [404]),
    "DELETE /jobs/{id}": Walk(own: [202], foreign: [404]),
    "POST /jobs/{id}/cancel": Walk(own: [202], foreign: [404]),
    "POST /jobs/{id}/suspend": Walk(own: [405], foreign: [404]),
    "POST /jobs/{id}/resume": Walk(own: [405, 409], foreign: [404]),
    "POST /jobs/{id}/retry": Walk(own: [200, 202, 409], foreign: [404]),
    "GET /jobs/{id}/wait": Walk(query: "?timeout=0", own: [200, 202], foreign: [404]),
    "GET /events": Walk(isStream: true, own: [200], foreign: [200]),
    "GET /jobs/{id}/events": Walk(isStream: true, own: [200], foreign: [404]),
    "GET /jobs/{id}/history": Walk(own: [200], foreign: [404]),
    "GET /job_types": Walk(own: [200], foreign: [200]),
    "GET /job_types/{id}": Walk(own: [200], foreign: [200]),
    "GET /job_groups": Walk(own: [200], foreign: [200]),
    "GET /job_groups/{name}": Walk(own: [200], foreign: [200]),
    "GET /queues": Walk(own: [200], foreign: [200]),
    "GET /counters": Walk(own: [200], foreign: [403]),
    "GET /workers": Walk(own: [200], foreign: [403]),
    "POST /prune": Walk(query: "?dry_run=true", own: [200], foreign: [403]),
    "GET /whoami": Walk(own: [200], foreign: [200]),
    "GET /tokens": Walk(own: [200], foreign: [200]),
    "POST /tokens": Walk(
      body: #"{"name":"made by the walk","role":"read"}"#, own: [201], foreign: [201]),
    "DELETE /tokens/{id}": Walk(own: [200], foreign: [404]),
    "GET /audit": Walk(own: [200], foreign: [200]),
    "GET /healthz": Walk(own: [200], foreign: [200]),
    "GET /readyz": Walk(own: [200, 503], foreign: [200, 503]),
    "GET /openapi.yaml": Walk(own: [200], foreign: [200]),
    "GET /docs": Walk(own: [200], foreign: [200]),
  ]
}

/// Two tenants, each with what it has.
private struct Stage: Sendable {
  enum Side { case first, second }

  struct Property: Sendable {
    let tenant: UUID
    let job: JobID
    let operation: UUID
    let token: UUID
    let letter: UUID
    /// The webhook endpoint that is open to it alone.
    let webhook: String
    /// What no other may be told.
    let words: [String]
  }

  let fixture: APIFixture
  let first: Property
  let second: Property
  let before: [String]

  /// What deletes comes last.
  var entries: [APIRoutes.Entry] {
    let all = fixture.api.routes().entries
    return all.filter { $0.method != .delete } + all.filter { $0.method == .delete }
  }

  static func with(_ body: (Stage) async throws -> Void) async throws {
    let tenants = [UUID(), UUID()]
    let webhooks = try zip(["first", "second"], tenants).map {
      try WebhookEndpoint.sample("hook-of-\($0)", types: [], tenants: [$1])
    }
    try await APIFixture.with(webhooks: webhooks) { fixture in
      let first = try await property("first", of: tenants[0], fixture, operations: 1)
      let second = try await property("second", of: tenants[1], fixture, operations: 0)
      try await body(
        Stage(
          fixture: fixture, first: first, second: second,
          before: try await fingerprint(of: first, fixture)))
    }
  }

  private static func property(
    _ name: String, of tenant: UUID, _ fixture: APIFixture, operations: Int
  ) async throws -> Property {
    let job = try await fixture.service.schedule(
      JobSubmission(
        type: try JobTypeID("files:checksum"), params: ["path": .string("path-of-\(name)")],
        tenantID: tenant, idempotencyKey: try IdempotencyKey("key-of-\(name)"))
    ).job
    var operation = UUID()
    for _ in 0..<operations {
      operation = try await fixture.service.begin(
        BulkRequest(
          action: .suspend, filter: BulkFilter(), reason: "reason-of-\(name)"), tenant: tenant,
        key: nil
      ).operation.id
    }
    let token = try await fixture.token(.read, tenant: .one(tenant), name: "token-of-\(name)")
    try await fixture.store.append([
      AuditEntry(
        at: .now, principal: "token-of-\(name)", tenantID: tenant, userID: .zero, role: .write,
        action: "POST /jobs/{id}/cancel", target: job.id.description, status: 202)
    ])
    let letter = try await fixture.keepLetter(
      #"{"path": ["letter-of-\#(name)"]}"#,
      errors: [ParamsViolation(pointer: "/path", keyword: "type", detail: "detail-of-\(name)")],
      tenant: tenant)
    return Property(
      tenant: tenant, job: job.id, operation: operation, token: token.token.id, letter: letter,
      webhook: "hook-of-\(name)",
      words: [
        letter.uuidString.lowercased(), "letter-of-\(name)", "detail-of-\(name)",
        "hook-of-\(name)", job.id.description, operation.uuidString.lowercased(),
        token.token.id.uuidString.lowercased(),
        tenant.uuidString.lowercased(), "path-of-\(name)", "reason-of-\(name)", "token-of-\(name)",
      ])
  }

  func send(
    _ entry: APIRoutes.Entry, token: String?, tenant: UUID? = nil, job: JobID? = nil
  ) async throws -> TestResponse {
    let walk = try #require(Walk.all[entry.name], "\(entry.name)")
    let ids = [
      "/jobs/{id}": (job ?? first.job).description,
      "/operations/{id}": first.operation.uuidString, "/tokens/{id}": first.token.uuidString,
      "/job_types/{id}": "files:count", "/job_groups/{name}": "files",
      "/dead_letters/{id}": first.letter.uuidString, "/webhooks/{name}": first.webhook,
    ]
    var path = entry.path
    for (pattern, id) in ids where path.hasPrefix(pattern) {
      path = String(pattern.prefix { $0 != "{" }) + id + path.dropFirst(pattern.count)
    }
    let method = walk.isStream ? HTTPRequest.Method.head : entry.method
    let uri = path + walk.query
    return try await fixture.testTokens { client async throws in
      try await client.send(method, uri, token: token, tenant: tenant, body: walk.body)
    }
  }

  /// Nothing that belongs to a tenant stands in an answer, but what the request has named itself.
  func expectNothing(of side: Side, in response: TestResponse, _ route: String) {
    let property = side == .first ? first : second
    let text = response.text + response.headers.map(\.value).joined(separator: "\n")
    // The audit log of a tenant has the ids that it has asked for in vain.
    let isNamed = route.contains("{id}") || route == "GET /audit"
    for word in property.words {
      let isID =
        isNamed && UUID(uuidString: word) != nil
        || (route.contains("{name}") || route == "GET /audit") && word == property.webhook
      #expect(isID || !text.lowercased().contains(word.lowercased()), "\(route): \(text)")
    }
  }

  func fingerprint() async throws -> [String] { try await Self.fingerprint(of: first, fixture) }

  /// All that the first tenant has, to see whether somebody has changed it.
  private static func fingerprint(
    of property: Property, _ fixture: APIFixture
  ) async throws -> [String] {
    let jobs = try await fixture.store.list(JobQuery(tenant: property.tenant)).jobs
    let operations = try await fixture.store.operations(
      of: property.tenant, status: nil, offset: 0, limit: 10
    ).operations
    let tokens = try await fixture.store.tokens(of: property.tenant, limit: 10)
    let letters = try await fixture.store.deadLetters(
      DeadLetterQuery(tenant: property.tenant, limit: 10)
    ).letters
    return letters.map { "\($0.id) \($0.state) \($0.updatedAt)" }
      + jobs.map { "\($0.id) \($0.status) \($0.updatedAt)" }
      + operations.map { "\($0.id) \($0.status)" }
      + tokens.map { "\($0.id) \($0.name) \($0.revokedAt == nil)" }
  }
}
