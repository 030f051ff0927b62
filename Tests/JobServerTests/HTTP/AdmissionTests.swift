import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Jobs
import TestSupport
import Testing

@testable import JobServer

@Suite("What a tenant may ask", .timeLimit(.minutes(2)))
struct AdmissionTests {
  private static func headers(_ tenant: UUID) -> HTTPFields {
    var headers = HTTPFields()
    if let name = HTTPField.Name("X-Tenant-ID") { headers[name] = tenant.uuidString }
    return headers
  }

  @Test("a bucket gives its burst at once, then what comes in, and never more than its burst")
  func bucket() {
    let size = TokenBucket.Size(rate: 2, burst: 3)
    var bucket = TokenBucket(size, at: .seconds(100))
    for _ in 0..<3 { #expect(bucket.take(size, at: .seconds(100)) == nil) }
    #expect(bucket.take(size, at: .seconds(100)) == .milliseconds(500))
    #expect(bucket.take(size, at: .milliseconds(100_250)) == .milliseconds(250))
    #expect(bucket.take(size, at: .milliseconds(100_500)) == nil)
    #expect(bucket.take(size, at: .milliseconds(100_500)) == .milliseconds(500))
    for _ in 0..<3 { #expect(bucket.take(size, at: .seconds(1000)) == nil) }
    #expect(bucket.take(size, at: .seconds(1000)) != nil)
    // A clock that went back gives nothing.
    #expect(bucket.take(size, at: .seconds(900)) != nil)
  }

  @Test("less than one request a second is a rate, too")
  func slow() {
    let size = TenantLimits(rate: 0.1).bucket
    #expect(size == TokenBucket.Size(rate: 0.1, burst: 1))
    #expect(TenantLimits(rate: 2.5).bucket?.burst == 3)
    #expect(TenantLimits(rate: 2.5, burst: 40).bucket?.burst == 40)
    #expect(TenantLimits().bucket == nil)
  }

  @Test("the memory is bounded however many tenants come, and who keeps asking is remembered")
  func memory() {
    var buckets = TenantBuckets(TokenBucket.Size(rate: 1, burst: 2), limit: 100)
    let busy = UUID()
    #expect(buckets.take(busy, at: .zero) == nil)
    #expect(buckets.take(busy, at: .zero) == nil)
    for number in 0..<10_000 {
      #expect(buckets.take(UUID(), at: .zero) == nil)
      if number.isMultiple(of: 50) { #expect(buckets.take(busy, at: .zero) != nil) }
      #expect(buckets.count <= 200)
    }
  }

  @Test("the rate is each tenant's own, a refusal says when to come back, and health is free")
  func rate() async throws {
    try await APIFixture.with { fixture in
      let clock = ManualClock()
      try await fixture.test(
        readiness: [], limits: TenantLimits(rate: 0.5, burst: 2), clock: clock
      ) { client in
        let (one, other) = (UUID(), UUID())
        for _ in 0..<2 {
          #expect(try await client.send(.get, "/jobs", headers: Self.headers(one)).status == .ok)
        }
        let refused = try await client.send(.get, "/jobs", headers: Self.headers(one))
        #expect(refused.headers[.retryAfter] == "2")
        let problem = try refused.problem()
        #expect(problem.type == "/problems/rate-exceeded")
        #expect(problem.status == 429)
        #expect(problem.detail.contains("0.5 requests a second, and 2 at once; ask again in 2 s"))
        // What is no path counts as well.
        #expect(
          try await client.send(.get, "/nothing", headers: Self.headers(one)).status
            == .tooManyRequests)
        #expect(try await client.send(.get, "/jobs", headers: Self.headers(other)).status == .ok)
        for path in ["/healthz", "/readyz", "/healthz/"] {
          for _ in 0..<3 {
            #expect(try await client.send(.get, path, headers: Self.headers(one)).status == .ok)
          }
        }
        clock.advance(by: .seconds(2))
        #expect(try await client.send(.get, "/jobs", headers: Self.headers(one)).status == .ok)
        #expect(
          try await client.send(.get, "/jobs", headers: Self.headers(one)).status
            == .tooManyRequests)
      }
    }
  }

  @Test("a tenant or a user that is none is refused, at no tenant's expense")
  func malformedTenant() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test(
        limits: TenantLimits(rate: 1, concurrency: 1), clock: ManualClock()
      ) { client in
        for text in ["X-Tenant-ID", "X-User-ID"] {
          let name = try #require(HTTPField.Name(text))
          for number in 0..<3 {
            // Also where nobody else would look at it.
            let problem = try await client.problem(
              .get, "/job_types", headers: [name: "x\(number)"])
            #expect(problem.type == "/problems/invalid-parameter")
            #expect(problem.detail.contains(text))
          }
        }
        // The tenant of zeros has all that it had.
        #expect(try await client.send(.get, "/job_types").status == .ok)
        #expect(try await client.send(.get, "/job_types").status == .tooManyRequests)
      }
    }
  }

  @Test("a wait is under way until it is answered, and leaves room for other tenants")
  func concurrency() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      try await fixture.test(limits: TenantLimits(concurrency: 1)) { client in
        async let waited = client.send(.get, "/jobs/\(job.id)/wait?timeout=30")
        try await fixture.until(isWatched: true, job.id)
        let refused = try await client.send(.get, "/jobs")
        #expect(refused.headers[.retryAfter] == "1")
        let problem = try refused.problem()
        #expect(problem.type == "/problems/concurrency-exceeded")
        #expect(problem.status == 503)
        #expect(try await client.send(.get, "/jobs", headers: Self.headers(UUID())).status == .ok)
        #expect(try await client.send(.get, "/healthz").status == .ok)
        try await fixture.complete(job)
        #expect(try await waited.status == .ok)
        #expect(try await client.send(.get, "/jobs").status == .ok)
      }
    }
  }

  @Test("a request has its place until its answer is let go of, and one that fails leaves at once")
  func places() throws {
    let gate = TenantGate(TenantLimits(rate: 1, burst: 3, concurrency: 2), clock: ManualClock())
    let tenant = UUID()
    var first = try gate.enter(tenant)
    let second = try gate.enter(tenant)
    #expect(throws: APIProblem.self) { try gate.enter(tenant) }
    #expect(first != nil)
    first = nil
    // The refusal above has taken none of its requests.
    let third = try gate.enter(tenant)
    withExtendedLifetime((second, third)) { #expect(gate.tenants == 1) }
    first = try? gate.enter(tenant)
    #expect(first == nil)
  }

  @Test("nothing is limited unless it is configured")
  func unlimited() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        for _ in 0..<200 {
          let response = try await client.send(.get, "/jobs")
          #expect(response.status == .ok)
        }
      }
    }
  }
}
