import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Jobs
import NIOCore
import TestSupport
import Testing

@testable import JobServer

@Suite("Requests that make no sense", .timeLimit(.minutes(60)))
struct APIFuzzTests {
  @Test("no path, query or body makes the API fail")
  func anything() async throws {
    let budget = FuzzBudget.current
    budget.announce("HTTP")
    try await APIFixture.with(maxBodyBytes: 4096) { fixture in
      // At rest, so that no wait for it takes time.
      let job = try await fixture.scheduled()
      try await fixture.complete(job)
      try await fixture.test(readiness: [.store(fixture.store)]) { client in
        var fuzz = RequestFuzz(seed: budget.seed, job: job.id)
        let end = ContinuousClock.now + budget.time
        while ContinuousClock.now < end {
          let request = fuzz.next()
          let begin = ContinuousClock.now
          let response = try await client.client.execute(
            uri: request.uri, method: request.method, headers: request.headers,
            body: request.body)
          #expect(response.status.code < 500, "\(request)")
          #expect(ContinuousClock.now - begin < .seconds(10), "\(request)")
          #expect(response.body.readableBytes < 64 << 10, "\(request)")
          if response.status.code >= 400, request.method != .head { _ = try response.problem() }
        }
      }
    }
  }

  @Test("params that are nested beyond measure are refused, not died of")
  func deepParams() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        // The body itself takes two of the levels that there may be.
        let most = JSONValue.maxDepth - 2
        for depth in [most, most + 1, 400, 511, 100_000] {
          let nested =
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
          let response = try await client.send(
            .post, "/jobs",
            body: #"{"type": "files:checksum", "params": {"path": \#(nested)}}"#)
          #expect(response.status == (depth > most ? .badRequest : .unprocessableContent))
        }
        // Never closed: 513 of them have ended the process.
        for depth in [512, 513, 514, 2_000] {
          let response = try await client.send(
            .post, "/jobs", body: String(repeating: "[", count: depth))
          #expect(response.status == .badRequest)
        }
      }
    }
  }
}
