import HTTPTypes
import HummingbirdTesting
import Jobs
import Testing

@testable import JobServer

@Suite("Pages of other origins", .timeLimit(.minutes(2)))
struct CrossOriginTests {
  private static let origin = "https://ops.example.org"

  @Test("nothing is said to them unless it is configured")
  func off() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let response = try await client.send(.get, "/jobs", headers: [.origin: Self.origin])
        #expect(response.status == .ok)
        #expect(response.headers[.accessControlAllowOrigin] == nil)
        #expect(response.headers[.vary] == nil)
        let preflight = try await client.send(
          .options, "/jobs",
          headers: [.origin: Self.origin, .accessControlRequestMethod: "POST"])
        #expect(preflight.status == .methodNotAllowed)
        #expect(preflight.headers[.accessControlAllowOrigin] == nil)
      }
    }
  }

  @Test("an origin of the list may ask, and read what it needs, of problems as well")
  func listed() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test(origins: [Self.origin, "http://localhost:3000"]) { client in
        for (path, status) in [("/jobs", HTTPResponse.Status.ok), ("/nothing", .notFound)] {
          let response = try await client.send(.get, path, headers: [.origin: Self.origin])
          #expect(response.status == status)
          #expect(response.headers[.accessControlAllowOrigin] == Self.origin)
          #expect(response.headers[.vary] == "Origin")
          let exposed = response.headers[.accessControlExposeHeaders] ?? ""
          for name in ["Location", "ETag", "Retry-After"] { #expect(exposed.contains(name)) }
          #expect(response.headers[.accessControlAllowCredentials] == nil)
        }
        let job = try await fixture.scheduled()
        let response = try await client.send(
          .get, "/jobs/\(job.id)", headers: [.origin: Self.origin])
        #expect(response.headers[values: .vary].sorted() == ["Origin", "X-Tenant-ID"])
      }
    }
  }

  @Test("a preflight is told what may be sent, before any limit")
  func preflight() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test(
        limits: TenantLimits(rate: 0.001), clock: ManualClock(), origins: [Self.origin]
      ) { client in
        for _ in 0..<3 {
          let response = try await client.send(
            .options, "/jobs",
            headers: [
              .origin: Self.origin, .accessControlRequestMethod: "POST",
              .accessControlRequestHeaders: "content-type,idempotency-key,x-tenant-id",
            ])
          #expect(response.status == .noContent)
          #expect(response.headers[.accessControlAllowOrigin] == Self.origin)
          #expect(response.headers[.vary] == "Origin")
          #expect(response.headers[.accessControlMaxAge] == "3600")
          let methods = response.headers[.accessControlAllowMethods] ?? ""
          for method in ["GET", "POST", "DELETE"] { #expect(methods.contains(method)) }
          let names = response.headers[.accessControlAllowHeaders] ?? ""
          for name in ["content-type", "idempotency-key", "x-tenant-id", "if-none-match"] {
            #expect(names.contains(name))
          }
        }
      }
    }
  }

  @Test(
    "another origin is told nothing, and caches keep the answers apart",
    arguments: ["https://evil.example", "https://ops.example.org.evil.example", "null", nil])
  func other(origin: String?) async throws {
    try await APIFixture.with { fixture in
      try await fixture.test(origins: [Self.origin]) { client in
        let headers: HTTPFields = origin.map { [.origin: $0] } ?? [:]
        let response = try await client.send(.get, "/jobs", headers: headers)
        #expect(response.status == .ok)
        #expect(response.headers[.accessControlAllowOrigin] == nil)
        #expect(response.headers[.vary] == "Origin")
        let preflight = try await client.send(.options, "/jobs", headers: headers)
        #expect(preflight.status == .methodNotAllowed)
        #expect(preflight.headers[.accessControlAllowOrigin] == nil)
      }
    }
  }

  @Test("with * any origin may ask")
  func any() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test(origins: ["*"]) { client in
        let response = try await client.send(
          .get, "/jobs", headers: [.origin: "https://any.example"])
        #expect(response.headers[.accessControlAllowOrigin] == "*")
        #expect(response.headers[.accessControlExposeHeaders] != nil)
      }
    }
  }
}
