import HTTPTypes
import HummingbirdTesting
import Jobs
import NIOCore
import Testing

@testable import JobServer

@Suite("What no route takes", .timeLimit(.minutes(2)))
struct UnknownPathTests {
  @Test(
    "an unknown path is not found, and the known ones are named",
    arguments: [
      "/", "/job", "/jobs/3f2504e0-4f89-41d3-9a0c-0305e82c3301/rest", "/metrics", "/a/b/c/d/e",
    ])
  func unknownPath(path: String) async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let problem = try await client.problem(.get, path)
        #expect(problem.type == "/problems/not-found")
        #expect(problem.status == 404)
        #expect(problem.detail.contains(path))
        #expect(problem.detail.contains("/jobs"))
      }
    }
  }

  @Test(
    "a known path with another method is told the methods that it takes",
    arguments: [
      (HTTPRequest.Method.put, "/jobs", "GET, HEAD, POST"),
      (.delete, "/jobs", "GET, HEAD, POST"),
      (.post, "/jobs/3f2504e0-4f89-41d3-9a0c-0305e82c3301", "DELETE, GET, HEAD"),
      (.get, "/jobs/3f2504e0-4f89-41d3-9a0c-0305e82c3301/cancel", "POST"),
      (.post, "/jobs/3f2504e0-4f89-41d3-9a0c-0305e82c3301/wait", "GET, HEAD"),
      (.post, "/job_types", "GET, HEAD"),
      (.get, "/prune", "POST"), (.put, "/jobs/batch", "POST"), (.put, "/jobs/bulk", "POST"),
      (.delete, "/operations", "GET, HEAD"), (.options, "/healthz", "GET, HEAD"),
    ])
  func otherMethod(method: HTTPRequest.Method, path: String, allowed: String) async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let response = try await client.send(method, path)
        #expect(response.headers[.allow] == allowed)
        let problem = try response.problem()
        #expect(problem.type == "/problems/method-not-allowed")
        #expect(problem.status == 405)
        #expect(problem.detail.contains(method.rawValue))
        #expect(problem.detail.contains(allowed))
      }
    }
  }

  @Test("HEAD answers as GET does, without the body")
  func head() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let get = try await client.send(.get, "/job_types")
        let head = try await client.send(.head, "/job_types")
        #expect(head.status == .ok)
        #expect(head.body.readableBytes == 0)
        #expect(head.headers[.contentLength] == get.headers[.contentLength])
      }
    }
  }
}
