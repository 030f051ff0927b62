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
    let json = try JSONValue(encoding: job)
    let names = [
      "id", "tenant_id", "user_id", "idempotency_key", "type", "scheduled_at", "updated_at",
      "started_at", "eta", "locked_by", "progress", "progress_details", "status", "details",
      "timeout_sec", "max_retries", "priority", "retry_delay_sec", "retries", "error", "result",
      "params",
    ]
    let members = try #require(json.members)
    for name in names { #expect(members[name] != nil, "\(name)") }
    #expect(members["scheduled_at"] == 1000)
    #expect(members["status"] == "failed")
    #expect(members["retry_delay_sec"] == 2)
    #expect(members["priority"] == 0)
    #expect(try json.decode(as: Job.self) == job)
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
