import HTTPTypes
import HummingbirdTesting
import JobStore
import Jobs
import NIOCore
import Testing

@testable import JobServer

@Suite("Entity tags", .timeLimit(.minutes(2)))
struct EntityTagTests {
  @Test("a job's tag holds as long as the job is as it was, and changes with its progress")
  func job() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let job = try await fixture.scheduled()
        let path = "/jobs/\(job.id)"
        let first = try await client.send(.get, path)
        let tag = try #require(first.headers[.eTag])
        #expect(!tag.hasPrefix("W/"))
        #expect(first.headers[.cacheControl] == "private, no-cache")
        #expect(first.headers[.vary] == "X-Tenant-ID")
        let again = try await client.send(.get, path, headers: [.ifNoneMatch: tag])
        #expect(again.status == .notModified)
        #expect(again.body.readableBytes == 0)
        #expect(again.headers[.eTag] == tag)
        #expect(again.headers[.contentType] == nil)
        #expect(
          try await client.send(.head, path, headers: [.ifNoneMatch: tag]).status == .notModified)
        let head = try await client.send(.head, path)
        #expect(head.headers[.eTag] == tag)

        try await fixture.start(job)
        let running = try await client.send(.get, path, headers: [.ifNoneMatch: tag])
        #expect(running.status == .ok)
        let attempt = try running.decoded(as: Job.self).attempt
        let runningTag = try #require(running.headers[.eTag])
        #expect(runningTag != tag)
        _ = try await fixture.store.report(
          [
            JobReport(
              job: job.id, attempt: attempt, worker: WorkerID(rawValue: "w"),
              content: .progress(JobProgress(12.5, "page 3")))
          ], chances: [0], at: .now)
        let later = try await client.send(.get, path, headers: [.ifNoneMatch: runningTag])
        #expect(later.status == .ok)
        #expect(try later.decoded(as: Job.self).progress == 12.5)
      }
    }
  }

  @Test("a job that is not there is not found, whatever the client has")
  func unknown() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let problem = try await client.problem(
          .get, "/jobs/\(JobID())", headers: [.ifNoneMatch: "*"])
        #expect(problem.status == 404)
      }
    }
  }

  @Test(
    "a client has what is tagged when it names the tag, strongly or weakly, or *",
    arguments: [
      (["%"], true), (["*"], true), ([" * "], false), (["W/%"], true), (["\"a\", %"], true),
      (["\"a,b\" ,, W/\"c\",%"], true), (["\"a\"", "%"], true), ([], false), ([""], false),
      (["\"a\""], false), (["a, %"], false), (["\"%"], false), (["%x"], true), (["w/%"], false),
      (["\"a\" *"], false),
    ])
  func matching(fields: [String], isMatched: Bool) {
    let tag = EntityTag(of: Array("x".utf8))
    #expect(tag.isMatched(by: fields.map { $0.replacing("%", with: tag.description) }) == isMatched)
  }

  @Test("equal bytes have equal tags, other bytes others")
  func hash() {
    #expect(EntityTag(of: Array("x".utf8)) == EntityTag(of: Array("x".utf8)))
    #expect(EntityTag(of: Array("x".utf8)) != EntityTag(of: Array("y".utf8)))
    // SHA-256 of nothing (FIPS 180-4), its first half.
    #expect(EntityTag(of: []).description == "\"e3b0c44298fc1c149afbf4c8996fb924\"")
  }
}
