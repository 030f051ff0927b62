import Testing

@testable import Jobs

@Suite("The JSON forms of groups, types and lists")
struct CatalogCodingTests {
  private struct Params: Codable, Sendable { var path = "a" }

  private static func type() throws -> JobTypeDescription {
    try JobType(
      group: JobGroup("files", queue: .compute, description: "Work on files"), name: "sum",
      description: "A sum", params: Params(), timeout: .seconds(60),
      stallTimeout: .milliseconds(1500),
      retry: RetryPolicy(maxRetries: 2, delay: .milliseconds(1500)), suspendable: true
    ) { params, _ in params.path }.description
  }

  @Test("a type has the names of the reference, and comes back as it was")
  func type() throws {
    let type = try Self.type()
    let json = try JSONValue(encoding: type)
    let members = try #require(json.members)
    #expect(members["type_id"] == "files:sum")
    #expect(members["description"] == "A sum")
    #expect(members["group"] == "files")
    #expect(members["name"] == "sum")
    #expect(members["timeout_sec"] == 60)
    #expect(members["stall_timeout_sec"] == 1.5)
    #expect(members["max_retries"] == 2)
    #expect(members["retry_delay_sec"] == 1.5)
    #expect(members["params"] == ["path": "a"])
    #expect(members["params_schema"]?.members?["type"] == "object")
    #expect(members["suspendable"] == true)
    #expect(try json.decode(as: JobTypeDescription.self) == type)
  }

  @Test("a group has the names of the reference, and comes back as it was")
  func group() throws {
    let group = try JobGroup("files", queue: .compute, description: "Work on files")
    let json = try JSONValue(encoding: group)
    #expect(
      json == ["name": "files", "queue_name": "compute", "description": "Work on files"])
    #expect(try json.decode(as: JobGroup.self) == group)
  }

  @Test("a list says its page, its order, the true total, and what there is")
  func lists() throws {
    let types = JobTypeList(
      pageSize: 1, pageNumber: 2, order: "type_id", total: 5, jobTypes: [try Self.type()])
    let members = try #require(JSONValue(encoding: types).members)
    #expect(
      Set(members.keys) == ["page_size", "page_number", "order", "total", "job_types"])
    #expect(members["total"] == 5)
    let jobs = JobList(pageSize: 50, pageNumber: 1, order: "-scheduled_at", total: 0, jobs: [])
    #expect(try JSONValue(encoding: jobs).members?["jobs"] == [])
    let groups = JobGroupList(pageSize: 50, pageNumber: 1, order: "name", total: 0, jobGroups: [])
    #expect(try JSONValue(encoding: groups).members?["job_groups"] == [])
  }

  @Test("what a worker announces is taken into its range, or refused")
  func announcements() throws {
    let queue: JSONValue = ["name": "compute", "capacity": 0]
    #expect(try queue.decode(as: JobQueue.self) == JobQueue(name: .compute, capacity: 1))
    let group: JSONValue = ["name": "a b", "queue_name": "compute", "description": ""]
    #expect(throws: JSONError.self) { try group.decode(as: JobGroup.self) }
    var type = try #require(JSONValue(encoding: try Self.type()).members)
    var deep: JSONValue = 1
    for _ in 0..<60 { deep = [deep] }
    type["params"] = ["deep": deep]
    #expect(throws: JSONError.self) {
      try JSONValue.object(type).decode(as: JobTypeDescription.self)
    }
  }
}
