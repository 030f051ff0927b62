import Foundation
import Testing

@testable import Jobs

@Suite("The JSON form of a job")
struct JobCodingTests {
  @Test("it has the names of the reference, and comes back as it was")
  func names() throws {
    var job = try Job.fixture(
      status: .failed, retry: RetryPolicy(maxRetries: 3, delay: .seconds(2)))
    job.error = "broken"
    job.result = ["a": 1]
    job.lockedBy = JobID()
    job.claim = nil
    job.retryOf = JobID()
    let json = try JSONValue(encoding: job)
    let names = [
      "id", "tenant_id", "user_id", "idempotency_key", "type", "scheduled_at", "updated_at",
      "started_at", "eta", "locked_by", "progress", "progress_details", "status", "details",
      "timeout_sec", "max_retries", "priority", "retry_delay_sec", "retries", "error", "result",
      "params", "retry_of",
    ]
    let members = try #require(json.members)
    for name in names { #expect(members[name] != nil, "\(name)") }
    #expect(members["scheduled_at"] == 1000)
    #expect(members["status"] == "failed")
    #expect(members["retry_delay_sec"] == 2)
    #expect(members["priority"] == 0)
    #expect(try json.decode(as: Job.self) == job)
  }

  @Test("it is written as Foundation writes it, member by member")
  func written() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var full = try Job.fixture(
      status: .running,
      retry: RetryPolicy(
        maxRetries: 3, delay: .milliseconds(1), backoff: .linear, maxDelay: .seconds(60),
        jitter: 0.1), timeout: .milliseconds(1_500),
      context: ["request-id": "17", "a": "\"é\"/", "tracestate": "x=1"])
    full.error = "\"broken\"\n"
    full.result = ["b": [1.5, true, .null], "a": "é\u{1}/"]
    full.lockedBy = JobID()
    full.eta = .later
    full.progress = 12.5
    full.progressDetails = "half"
    full.details = "why"
    full.retryOf = JobID()
    for job in [full] + (try JobStatus.allCases.map { try Job.fixture(status: $0) }) {
      let expected = String(decoding: try encoder.encode(job), as: UTF8.self)
      #expect(String(decoding: job.json, as: UTF8.self) == expected)
    }
    for next in [nil, "17"] {
      let list = JobList(
        pageSize: 2, pageNumber: 1, order: "-created_at", total: 3, next: next, jobs: [full, full])
      let expected = String(decoding: try encoder.encode(list), as: UTF8.self)
      #expect(String(decoding: list.json, as: UTF8.self) == expected)
    }
  }

  @Test("its context is a member only where it has one")
  func context() throws {
    let job = try Job.fixture(context: ["request-id": "17"])
    let json = try JSONValue(encoding: job)
    #expect(json.members?["context"] == ["request-id": "17"])
    #expect(try json.decode(as: Job.self) == job)
    #expect(try JSONValue(encoding: Job.fixture()).members?["context"] == nil)
  }

  @Test("what is for the server alone is not in it")
  func secrets() throws {
    var job = try Job.fixture(status: .running)
    job.snapshot = ["secret": 1]
    job.replies = [JobReply(address: "somewhere")]
    let members = try #require(JSONValue(encoding: job).members)
    #expect(members["snapshot"] == nil)
    #expect(members["replies"] == nil)
    #expect(members["claim"] == nil)
  }
}
