import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Jobs
import NIOCore
import Testing

@testable import JobServer

@Suite("Requests that make no sense", .timeLimit(.minutes(2)))
struct APIFuzzTests {
  @Test("no path, query or body makes the API fail", arguments: [1, 2, 3, 4] as [UInt64])
  func anything(seed: UInt64) async throws {
    try await APIFixture.with(maxBodyBytes: 4096) { fixture in
      // At rest, so that no wait for it takes time.
      let job = try await fixture.scheduled()
      try await fixture.complete(job)
      try await fixture.test(readiness: [.store(fixture.store)]) { client in
        var fuzz = RequestFuzz(seed: seed, job: job.id)
        for _ in 0..<400 {
          let request = fuzz.next()
          let response = try await client.client.execute(
            uri: request.uri, method: request.method, headers: request.headers,
            body: request.body)
          #expect(response.status.code < 500, "\(request)")
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
      }
    }
  }
}
