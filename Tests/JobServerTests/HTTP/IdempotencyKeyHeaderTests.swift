import Foundation
import HTTPTypes
import HummingbirdTesting
import Jobs
import Testing

@testable import JobServer

@Suite("The header Idempotency-Key", .timeLimit(.minutes(2)))
struct IdempotencyKeyHeaderTests {
  private static func key(_ values: String...) throws -> IdempotencyKey? {
    let name = try #require(HTTPField.Name("Idempotency-Key"))
    return try IdempotencyKeyHeader.key(
      in: HTTPFields(values.map { HTTPField(name: name, value: $0) }))
  }

  @Test(
    "names the key that the body would, in quotes or as it stands",
    arguments: [
      ("order-4711", "order-4711"), ("\"order-4711\"", "order-4711"), ("a b", "a b"),
      ("\"a \\\"b\\\" \\\\\"", "a \"b\" \\"), ("\"a\";v=1", "a"), ("a\"b", "a\"b"), ("ä", "ä"),
      ("\" a \"", " a "),
      ("9754DD5E-DB9E-42AB-B8A4-4B5C8B358B81", "9754dd5e-db9e-42ab-b8a4-4b5c8b358b81"),
    ])
  func names(value: String, text: String) throws {
    #expect(try Self.key(value) == IdempotencyKey(text))
  }

  @Test("is no key when it is empty, too long, malformed or given twice")
  func refused() throws {
    #expect(try Self.key() == nil)
    let long = String(repeating: "x", count: 256)
    for values in [[""], [long], ["\"\(long)\""], ["\"a"], ["\"a\" b"], ["\"ä\""], ["\"\""]] {
      let error = #expect(throws: APIProblem.self) { try Self.key(values[0]) }
      #expect(error?.problem.type == "/problems/invalid-parameter")
      #expect(error?.problem.detail.contains("the header Idempotency-Key") == true)
    }
    #expect(throws: APIProblem.self) { try Self.key("a", "a") }
    #expect(throws: APIProblem.self) { try Self.key("a\u{FFFD}") }
  }

  @Test("makes one job of several requests, and goes with the body's as long as both agree")
  func schedules() async throws {
    let name = try #require(HTTPField.Name("Idempotency-Key"))
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let first = try await client.send(
          .post, "/jobs", headers: [name: "\"order 7\""], body: #"{"type": "files:count"}"#)
        #expect(first.status == .accepted)
        let job = try first.decoded(as: Job.self)
        for (header, body) in [
          ("order 7", ""), ("order 7", #", "idempotency_key": "order 7""#),
          (job.idempotencyKey.uuidString, #", "idempotency_key": "order 7""#),
        ] {
          let again = try await client.send(
            .post, "/jobs", headers: [name: header], body: "{\"type\": \"files:count\"\(body)}")
          #expect(again.status == .ok)
          #expect(try again.decoded(as: Job.self).id == job.id)
        }
        let problem = try await client.problem(
          .post, "/jobs", headers: [name: "order 7"],
          body: #"{"type": "files:count", "idempotency_key": "order 8"}"#)
        #expect(problem.status == 400)
        #expect(problem.detail.contains("two keys"))
      }
    }
  }

  @Test("is the key of a bulk operation as well, and agrees with the body's")
  func bulk() async throws {
    let name = try #require(HTTPField.Name("Idempotency-Key"))
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let request = #""action": "cancel", "filter": {}"#
        let first = try await client.send(
          .post, "/jobs/bulk", headers: [name: "stop 7"], body: "{\(request)}")
        #expect(first.status == .accepted)
        let operation = try first.decoded(as: BulkOperation.self)
        for body in ["{\(request)}", "{\(request), \"idempotency_key\": \"stop 7\"}"] {
          let again = try await client.send(
            .post, "/jobs/bulk", headers: [name: "\"stop 7\""], body: body)
          #expect(again.status == .ok)
          #expect(try again.decoded(as: BulkOperation.self).id == operation.id)
        }
        let problem = try await client.problem(
          .post, "/jobs/bulk", headers: [name: "stop 7"],
          body: "{\(request), \"idempotency_key\": \"stop 8\"}")
        #expect(problem.status == 400)
        #expect(problem.detail.contains("two keys"))
      }
    }
  }

  @Test("is refused where each job has a key of its own, rather than passed over")
  func elsewhere() async throws {
    let name = try #require(HTTPField.Name("Idempotency-Key"))
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      _ = try await fixture.service.cancel(job.id, tenant: .zero, reason: nil)
      try await fixture.test { client in
        for (path, body) in [
          ("/jobs/batch", #"[{"type": "files:count"}]"#), ("/jobs/\(job.id)/retry", nil),
        ] as [(String, String?)] {
          let problem = try await client.problem(
            .post, path, headers: [name: "a"], body: body)
          #expect(problem.type == "/problems/invalid-parameter")
          #expect(problem.detail.contains("the header Idempotency-Key is not taken here"))
        }
        let list: JobList = try await client.read(.get, "/jobs")
        #expect(list.jobs.map(\.id) == [job.id])
      }
    }
  }
}
