import Foundation
import HTTPTypes
import HummingbirdCore
import JobStore
import Jobs
import Testing

@testable import JobServer

@Suite("The queries of lists and waits", .timeLimit(.minutes(2)))
struct QueryTests {
  @Test("without a query the first 50 jobs, the newest first, are asked for")
  func defaults() throws {
    let query = try filtered("/jobs")
    #expect(query.page.page == 1)
    #expect(query.page.pageSize == 50)
    #expect(query.query(tenant: .zero).part == .start)
    #expect(query.order.description == "-created_at")
    #expect(query.statuses.isEmpty)
    #expect(query.type == nil)
    #expect(query.queue == nil)
  }

  @Test("every parameter is read")
  func everything() throws {
    let query = try filtered(
      "/jobs?page=3&page_size=1000&order=scheduled_at&status=waiting,timeout&type=files%3Achecksum"
        + "&queue=compute")
    #expect(query.page.page == 3)
    #expect(query.page.pageSize == 1000)
    #expect(query.order.description == "scheduled_at")
    #expect(query.statuses == [.waiting, .timedOut])
    #expect(try query.type == JobTypeID("files:checksum"))
    #expect(query.queue == .compute)
  }

  @Test(
    "a place in the list stands instead of a page, in either order of creation",
    arguments: ["", "&order=created_at", "&order=-created_at"])
  func after(order: String) throws {
    let query = try filtered("/jobs?after=42&page_size=7\(order)").query(tenant: .zero)
    #expect(query.part == .after(try #require(JobCursor("42"))))
    #expect(query.pageSize == 7)
    #expect(query.order.field == .createdAt)
  }

  @Test("the offset of the last page of the largest size does not overflow")
  func largestPage() throws {
    let query = try filtered("/jobs?page=1000000000&page_size=1000")
    #expect(query.page.part(of: [1, 2, 3]) == [])
  }

  @Test(
    "an empty query, and an ampersand too many, are nothing",
    arguments: ["/jobs?", "/jobs?&", "/jobs?page=1&"])
  func emptyParts(uri: String) throws {
    #expect(try filtered(uri).page.page == 1)
  }

  @Test(
    "what is wrong is named, and so is what would be right",
    arguments: [
      ("/jobs?page=0", "page", "from 1 to"),
      ("/jobs?page=-1", "page", "-1"),
      ("/jobs?page=99999999999999999999", "page", "integer"),
      ("/jobs?page=two", "page", "two"),
      ("/jobs?page=", "page", "integer"),
      ("/jobs?page_size=0", "page_size", "from 1 to 1000"),
      ("/jobs?page_size=1001", "page_size", "1001"),
      ("/jobs?order=colour", "order", "scheduled_at"),
      ("/jobs?order=", "order", "scheduled_at"),
      ("/jobs?status=waiting,asleep", "asleep", "suspended"),
      ("/jobs?status=", "status", "waiting"),
      ("/jobs?status=waiting,,running", "status", "waiting"),
      ("/jobs?type=checksum", "type", "group:name"),
      ("/jobs?queue=no%20queue", "queue", "no queue"),
      ("/jobs?stauts=waiting", "stauts", "status"),
      ("/jobs?page=1&page=2", "page", "twice"),
      ("/jobs?idempotency_key=", "idempotency_key", "1 to 255 bytes"),
      (
        "/jobs?idempotency_key=3f2504e0-4f89-41d3-9a0c-0305e82c3301&page=2", "idempotency_key",
        "alone"
      ),
      (
        "/jobs?idempotency_key=3f2504e0-4f89-41d3-9a0c-0305e82c3301&after=4", "idempotency_key",
        "alone"
      ),
      ("/jobs?after=4&page=1", "after", "exclude each other"),
      ("/jobs?after=4&order=scheduled_at", "after", "created_at or -created_at"),
      ("/jobs?after=", "after", "the next of an earlier answer"),
      ("/jobs?after=a%20b", "a b", "the next of an earlier answer"),
      ("/jobs?status=%zz", "%zz", "waiting"),
    ])
  func refusals(uri: String, culprit: String, remedy: String) throws {
    let problem = try #require(throws: APIProblem.self) { try JobListQuery(URI(uri)) }.problem
    #expect(problem.type == "/problems/invalid-parameter")
    #expect(problem.status == 400)
    #expect(problem.detail.contains(culprit), "\(problem.detail)")
    #expect(problem.detail.contains(remedy), "\(problem.detail)")
  }

  @Test(
    "a query is form-encoded: a plus is a space, in names as in values",
    arguments: [
      ("/x?reason=a+b", "a b"), ("/x?reason=a%2Bb", "a+b"), ("/x?reason=a%20b", "a b"),
      ("/x?reason=a%2Bb+c%26d=e", "a+b c&d=e"), ("/x?r%65ason=%C3%A4", "ä"), ("/x?reason=+", " "),
      ("/x?reason=100%", "100%"), ("/x?reason=", ""), ("/x?reason", ""),
    ])
  func formEncoding(uri: String, reason: String) throws {
    #expect(try ReasonQuery(URI(uri)).reason == reason)
  }

  @Test("a request that takes no parameter says so")
  func nothingIsTaken() throws {
    let problem = try #require(throws: APIProblem.self) {
      try QueryParameters(URI("/workers?bogus=1"), known: [])
    }.problem
    #expect(problem.detail == "there is no query parameter 'bogus' here; it takes none")
  }

  @Test("no request passes over a parameter that it does not take")
  func nothingIsPassedOver() async throws {
    let requests: [(HTTPRequest.Method, String)] = [
      (.post, "/jobs"), (.get, "/jobs/ID"), (.post, "/jobs/ID/suspend"), (.post, "/jobs/ID/resume"),
      (.post, "/jobs/ID/cancel"), (.delete, "/jobs/ID"), (.get, "/jobs/ID/wait"), (.get, "/jobs"),
      (.get, "/job_types"), (.get, "/job_types/files:checksum"), (.get, "/job_groups"),
      (.get, "/job_groups/files"), (.get, "/queues"), (.get, "/workers"), (.get, "/counters"),
      (.post, "/prune"), (.get, "/quotas"),
    ]
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        for (method, path) in requests {
          let path = path.replacing("ID", with: UUID().uuidString) + "?bogus=1"
          let problem = try await client.problem(method, path)
          #expect(problem.detail.contains("bogus"), "\(method) \(path)")
        }
      }
    }
  }

  @Test("a wrong status is told all thirteen")
  func allStatuses() throws {
    let problem = try #require(throws: APIProblem.self) {
      try JobListQuery(URI("/jobs?status=done"))
    }.problem
    for status in JobStatus.allCases { #expect(problem.detail.contains(status.rawValue)) }
  }

  @Test("a wrong order is told all that there are")
  func allOrders() throws {
    let problem = try #require(throws: APIProblem.self) {
      try JobListQuery(URI("/jobs?order=size"))
    }.problem
    #expect(problem.detail.contains("-scheduled_at"))
    #expect(problem.detail.contains("created_at"))
  }

  @Test("an idempotency key stands alone")
  func idempotencyKey() throws {
    let key = UUID()
    #expect(
      try JobListQuery(URI("/jobs?idempotency_key=\(key)"))
        == .idempotencyKey(IdempotencyKey(uuid: key)))
    #expect(
      try JobListQuery(URI("/jobs?idempotency_key=order+7%2Fa")) == .idempotencyKey("order 7/a"))
  }

  @Test(
    "a wait is 0 to 60 seconds, 30 unless said",
    arguments: [
      ("/x", Duration.seconds(30)), ("/x?timeout=0", .zero), ("/x?timeout=60", .seconds(60)),
      ("/x?timeout=0.5", .milliseconds(500)),
    ])
  func waits(uri: String, limit: Duration) throws {
    #expect(try WaitQuery(URI(uri)).limit == limit)
  }

  @Test(
    "other waits are refused",
    arguments: ["-1", "60.1", "nan", "inf", "1e999", "soon", "", "0x1p400", "30s"])
  func badWaits(text: String) throws {
    let problem = try #require(throws: APIProblem.self) {
      try WaitQuery(URI("/x?timeout=\(text)"))
    }.problem
    #expect(problem.detail.contains("timeout"))
    #expect(problem.detail.contains("from 0 to 60"))
  }

  @Test("a catalog list is cut into pages, in either order")
  func catalogPages() throws {
    let names = ["a", "b", "c", "d", "e"]
    let second = try CatalogQuery(URI("/x?page=2&page_size=2"), field: "name")
    #expect(second.part(of: names) == ["c", "d"])
    let last = try CatalogQuery(URI("/x?page=1&page_size=2&order=-name"), field: "name")
    #expect(last.part(of: names) == ["e", "d"])
    let beyond = try CatalogQuery(URI("/x?page=4&page_size=2"), field: "name")
    #expect(beyond.part(of: names).isEmpty)
    let problem = try #require(throws: APIProblem.self) {
      try CatalogQuery(URI("/x?order=age"), field: "name")
    }.problem
    #expect(problem.detail.contains("must be name or -name, not 'age'"))
  }

  private func filtered(_ uri: String) throws -> JobListQuery.Filter {
    guard case .filtered(let filter) = try JobListQuery(URI(uri)) else {
      Issue.record("\(uri) is no list of jobs by filter")
      throw CancellationError()
    }
    return filter
  }
}
