import Foundation
import HTTPTypes
import Jobs
import Testing

@testable import JobServer

@Suite("The headers of a request", .timeLimit(.minutes(2)))
struct RequestHeadersTests {
  @Test("whoever names no tenant and no user is the one of zeros")
  func nobody() throws {
    #expect(try Caller([:]).tenant == .zero)
    #expect(try Caller([:]).user == .zero)
  }

  @Test("tenant and user are UUIDs, in either case")
  func both() throws {
    let tenant = UUID()
    let user = UUID()
    let caller = try Caller(["x-tenant-id": tenant, "X-USER-ID": user])
    #expect(caller.tenant == tenant)
    #expect(caller.user == user)
  }

  @Test("anything else is refused by name", arguments: ["X-Tenant-ID", "X-User-ID"])
  func bad(header: String) throws {
    let name = try #require(HTTPField.Name(header))
    for value in ["", "me", "3f2504e0-4f89-41d3-9a0c"] {
      let problem = try #require(throws: APIProblem.self) { try Caller([name: value]) }.problem
      #expect(problem.type == "/problems/invalid-parameter")
      #expect(problem.status == 400)
      #expect(problem.detail.contains("the header \(header) must be a UUID"))
    }
    var twice = HTTPFields()
    twice.append(HTTPField(name: name, value: UUID().uuidString))
    twice.append(HTTPField(name: name, value: UUID().uuidString))
    let problem = try #require(throws: APIProblem.self) { try Caller(twice) }.problem
    #expect(problem.detail.contains("twice"))
  }

  @Test(
    "JSON is JSON",
    arguments: ["application/json", "Application/JSON", "application/json; charset=utf-8"])
  func json(type: String) throws {
    try JSONBody.checkMediaType(type)
  }

  @Test(
    "other media types are refused, and so is none",
    arguments: [
      nil, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json",
      "application/", ";",
    ])
  func notJSON(type: String?) throws {
    let problem = try #require(throws: APIProblem.self) { try JSONBody.checkMediaType(type) }
    #expect(problem.problem.type == "/problems/unsupported-media-type")
    #expect(problem.problem.status == 415)
    #expect(problem.problem.detail.contains("application/json"))
    #expect(problem.headers[.accept] == "application/json")
  }
}

extension Caller {
  init(_ headers: [String: UUID]) throws {
    var fields = HTTPFields()
    for (name, value) in headers {
      fields.append(HTTPField(name: try #require(HTTPField.Name(name)), value: value.uuidString))
    }
    try self.init(fields)
  }
}
