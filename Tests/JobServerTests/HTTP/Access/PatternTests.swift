import Foundation
import HTTPTypes
import HummingbirdTesting
import Jobs
import Testing

@testable import JobServer

@Suite("Type and queue patterns", .timeLimit(.minutes(2)))
struct PatternTests {
  @Test(
    "a pattern has stars, and means the whole name",
    arguments: [
      ("files:*", "files:checksum", true), ("files:*", "files:", true),
      ("files:*", "file:x", false),
      ("*", "", true), ("*", "a:b", true), ("*:count", "files:count", true),
      ("*:count", "files:counts", false), ("a*b*c", "abc", true), ("a*b*c", "aXbYbZc", true),
      ("a*b*c", "acb", false), ("files:count", "files:count", true),
      ("files:count", "files:countx", false), ("**", "x", true), ("a*", "", false),
    ])
  func matching(pattern: String, name: String, isMatch: Bool) throws {
    #expect(try #require(NamePattern(pattern)).matches(name) == isMatch)
  }

  @Test(
    "a pattern that no name can match is none", arguments: ["", "a b", "[a]", "a?", "é", "a\n"])
  func none(text: String) {
    #expect(NamePattern(text) == nil)
  }

  @Test("many stars take no time that grows without bound")
  func hostile() throws {
    let pattern = try #require(NamePattern(String(repeating: "a*", count: 99) + "b"))
    let start = ContinuousClock.now
    #expect(!pattern.matches(String(repeating: "a", count: 100_000)))
    #expect(ContinuousClock.now - start < .seconds(20))
  }

  @Test("jobs outside of the patterns are not there, are not counted, and cannot be scheduled")
  func scope() async throws {
    try await APIFixture.with { fixture in
      let tenant = UUID()
      let hidden = try await fixture.scheduled("files:checksum", tenant: tenant)
      let seen = try await fixture.scheduled("files:count", tenant: tenant)
      let secret = try await fixture.token(.operate, tenant: .one(tenant), types: ["*:count"])
        .secret
      try await fixture.testTokens { client async throws in
        func send(
          _ method: HTTPRequest.Method = .get, _ uri: String, body: String? = nil
        ) async throws -> TestResponse {
          try await client.send(method, uri, token: secret, body: body)
        }
        for query in ["", "?order=id", "?status=waiting", "?page=1&page_size=1", "?queue=compute"] {
          let list = try await send(.get, "/jobs\(query)").decoded(as: JobList.self)
          #expect(list.total == 1, "\(query)")
          #expect(list.jobs.map(\.id) == [seen.id], "\(query)")
          #expect(list.next == nil)
        }
        #expect(
          try await send(.get, "/jobs?type=files:checksum").decoded(as: JobList.self).total == 0)
        for (method, path) in [
          (HTTPRequest.Method.get, ""), (.get, "/log"), (.get, "/wait?timeout=0"),
          (.get, "/history"), (.get, "/events"), (.delete, ""), (.post, "/cancel"),
          (.post, "/suspend"), (.post, "/resume"), (.post, "/retry"),
        ] {
          let response = try await send(method, "/jobs/\(hidden.id)\(path)")
          #expect(try response.problem().type == "/problems/not-found", "\(method) \(path)")
        }
        #expect(try await send(.get, "/jobs/\(seen.id)").status == .ok)
        #expect(try await send(.get, "/jobs/\(seen.id)/history").status == .ok)
        let queues = try await send(.get, "/queues").decoded(as: QueueList.self).queues
        #expect(queues.map(\.waiting).reduce(0, +) == 1)
        let types = try await send(.get, "/job_types").decoded(as: JobTypeList.self)
        #expect(types.jobTypes.map(\.id.description) == ["files:count"])
        #expect(types.total == 1)
        let type = try await send(.get, "/job_types/files:checksum")
        #expect(try type.problem().knownTypes?.map(\.description) == ["files:count"])

        let refused = try await send(.post, "/jobs", body: #"{"type":"files:checksum"}"#)
        #expect(try refused.problem().type == "/problems/forbidden")
        #expect(!refused.text.contains("known are files:checksum"))
        let unknown = try await send(.post, "/jobs", body: #"{"type":"other:count"}"#)
        #expect(try unknown.problem().knownTypes?.map(\.description) == ["files:count"])
        #expect(
          try await send(.post, "/jobs", body: #"{"type":"files:count"}"#).status == .accepted)
        let batch = try await send(
          .post, "/jobs/batch", body: #"[{"type":"files:checksum"},{"type":"files:count"}]"#)
        #expect(
          try batch.decoded(as: [BatchResult].self).map(\.status) == [403, 202])

        // What is about all jobs of the tenant is for those who see them all.
        for (method, path, body) in [
          (HTTPRequest.Method.get, "/operations", nil as String?),
          (.post, "/jobs/bulk", #"{"action":"cancel","filter":{}}"#),
        ] {
          let response = try await send(method, path, body: body)
          #expect(try response.problem().type == "/problems/forbidden", "\(path)")
        }
      }
      #expect(try await fixture.store.job(hidden.id)?.status == .waiting)
    }
  }

  @Test("an idempotency key that belongs to a job outside of the patterns does not tell of it")
  func key() async throws {
    try await APIFixture.with { fixture in
      let hidden = try await fixture.service.schedule(
        JobSubmission(
          type: try JobTypeID("files:checksum"), idempotencyKey: IdempotencyKey("one"))
      ).job
      let secret = try await fixture.token(.write, tenant: .one(.zero), types: ["files:count"])
        .secret
      try await fixture.testTokens { client async throws in
        let body = #"{"type":"files:count","idempotency_key":"one"}"#
        let response = try await client.send(.post, "/jobs", token: secret, body: body)
        #expect(try response.problem().type == "/problems/conflict")
        #expect(!response.text.contains(hidden.id.description))
        let batch = try await client.send(.post, "/jobs/batch", token: secret, body: "[\(body)]")
        #expect(try batch.decoded(as: [BatchResult].self).map(\.status) == [409])
        #expect(!batch.text.contains(hidden.id.description))
        let list = try await client.send(.get, "/jobs?idempotency_key=one", token: secret)
        #expect(try list.decoded(as: JobList.self).total == 0)
      }
    }
  }

  @Test("a queue pattern hides other queues, and the groups of them")
  func queues() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled("files:count")
      let secret = try await fixture.token(
        .write, tenant: .one(.zero), queues: ["down*"]
      ).secret
      try await fixture.testTokens { client async throws in
        #expect(try await client.send(.get, "/jobs/\(job.id)", token: secret).status == .notFound)
        let queues = try await client.send(.get, "/queues", token: secret).decoded(
          as: QueueList.self)
        #expect(queues.queues.map(\.name.rawValue) == ["download"])
        let groups = try await client.send(.get, "/job_groups", token: secret).decoded(
          as: JobGroupList.self)
        #expect(groups.total == 0)
        let refused = try await client.send(
          .post, "/jobs", token: secret, body: #"{"type":"files:count"}"#)
        #expect(refused.status == .forbidden)
      }
    }
  }
}
