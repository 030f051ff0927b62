import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Jobs
import Testing

@testable import JobServer

@Suite("What pages of other origins may change", .timeLimit(.minutes(2)))
struct ForeignOriginTests {
  private static let listed = "https://ops.example.org"

  private static func site(_ value: String) throws -> HTTPFields {
    [try #require(HTTPField.Name("Sec-Fetch-Site")): value]
  }

  @Test("is nothing: each such request is refused before anything is done")
  func refused() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      try await fixture.test(origins: [Self.listed]) { client in
        let foreign: [HTTPFields] = [
          [.origin: "https://evil.example"], [.origin: "null"], [.origin: ""],
          [.origin: "http://localhost.evil.example"], [.origin: "http://localhost:8081"],
          [.origin: Self.listed + ".evil.example"], try Self.site("cross-site"),
        ]
        for headers in foreign {
          for (method, path) in [
            (HTTPRequest.Method.post, "/jobs/\(job.id)/cancel"), (.post, "/prune"),
            (.post, "/jobs/\(job.id)/retry"), (.post, "/jobs/\(job.id)/suspend"),
            (.post, "/jobs/\(job.id)/resume"), (.delete, "/jobs/\(job.id)"),
            (.post, "/operations/\(job.id)/cancel"), (.put, "/nothing"),
          ] {
            let problem = try await client.problem(method, path, headers: headers)
            #expect(problem.type == "/problems/forbidden-origin")
            #expect(problem.status == 403)
            #expect(problem.detail.contains("http.cors.origins"))
          }
          #expect(try await client.send(.get, "/jobs", headers: headers).status == .ok)
          #expect(try await client.send(.head, "/jobs", headers: headers).status == .ok)
        }
        #expect(try await fixture.store.job(job.id) == job)
      }
    }
  }

  @Test("is all that anybody may, where the origin is the server's own or listed, or there is none")
  func taken() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test(origins: [Self.listed]) { client in
        // What the test's client asks is said to be for localhost.
        for headers: HTTPFields in [
          [:], [.origin: Self.listed], [.origin: "http://localhost"],
          [.origin: "https://localhost"],
          try Self.site("same-origin"), try Self.site("none"),
        ] {
          let response = try await client.send(.post, "/prune?dry_run=true", headers: headers)
          #expect(response.status == .ok, "\(headers)")
        }
      }
      try await fixture.test(origins: ["*"]) { client in
        for headers: HTTPFields in [[.origin: "https://any.example"], try Self.site("cross-site")] {
          let response = try await client.send(.post, "/prune?dry_run=true", headers: headers)
          #expect(response.status == .ok)
        }
      }
    }
  }

  @Test(
    "goes by the host that the browser has asked, with its port",
    arguments: [
      ("http://warren.example:8080", "warren.example:8080", true),
      ("http://warren.example:8080", "Warren.Example:8080", true),
      ("https://warren.example", "warren.example:443", true),
      ("http://[::1]:8080", "[::1]:8080", true),
      ("http://warren.example", "warren.example:8080", false),
      ("ftp://warren.example", "warren.example", false),
      ("http://warren.example:8080", nil, false),
    ] as [(String, String?, Bool)])
  func own(origin: String, host: String?, isOwn: Bool) {
    #expect(ForeignOriginMiddleware<Context>.isOwn(origin, of: host) == isOwn)
  }

  private typealias Context = BasicRequestContext
}
