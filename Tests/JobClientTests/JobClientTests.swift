import FakeAPI
import Foundation
import JobClient
import Jobs
import Logging
import Testing

@Suite("The client of the HTTP API", .timeLimit(.minutes(1)))
struct JobClientTests {
  private struct Params: Encodable {
    let path: String
    let level: Int
  }

  @Test(
    "schedules with all that was said, and tells whether the job is new", arguments: [202, 200])
  func schedule(status: Int) async throws {
    let job = try Job.fixture()
    let key = UUID()
    let tenant = UUID()
    let user = UUID()
    try await FakeAPI({ _ in try .json(status, job) }).serve { api in
      let client = try JobClient(server: api.url, tenant: tenant, user: user)
      let scheduled = try await client.schedule(
        JobTypeID("files:checksum"), params: Params(path: "a", level: 2)
      ) {
        $0.idempotencyKey = IdempotencyKey(uuid: key)
        $0.scheduledAt = Timestamp(milliseconds: 5)
        $0.timeout = .milliseconds(1500)
        $0.maxRetries = 3
        $0.retryDelay = .seconds(2)
        $0.priority = 9
      }
      #expect(scheduled.job == job)
      #expect(scheduled.isNew == (status == 202))
      let call = try #require(api.calls.first)
      #expect(call.method == "POST")
      #expect(call.target == "/jobs")
      #expect(call.headers["content-type"] == "application/json")
      #expect(call.headers["x-tenant-id"] == tenant.uuidString.lowercased())
      #expect(call.headers["x-user-id"] == user.uuidString.lowercased())
      let expected: JSONValue = [
        "type": "files:checksum", "params": ["path": "a", "level": 2],
        "idempotency_key": .string(key.uuidString.lowercased()), "scheduled_at": 5,
        "timeout_sec": 1.5, "max_retries": 3, "retry_delay_sec": 2, "priority": 9,
      ]
      #expect(try JSONValue(parsing: call.body.utf8) == expected)
    }
  }

  @Test("leaves out what was not said, but for the idempotency key")
  func minimal() async throws {
    let job = try Job.fixture()
    try await FakeAPI({ _ in try .json(202, job) }).serve { api in
      let request = ScheduleRequest(type: try JobTypeID("a:b"))
      try await JobClient(server: api.url).schedule(request)
      let call = try #require(api.calls.first)
      let members = try #require(try JSONValue(parsing: call.body.utf8).members)
      #expect(members.keys.sorted() == ["idempotency_key", "params", "type"])
      #expect(
        members["idempotency_key"] == .string(request.idempotencyKey.description))
      #expect(call.headers["x-tenant-id"] == nil)
      #expect(call.headers["x-user-id"] == nil)
    }
  }

  @Test("sends a context where there is one")
  func context() async throws {
    let job = try Job.fixture()
    try await FakeAPI({ _ in try .json(202, job) }).serve { api in
      let request = ScheduleRequest(type: try JobTypeID("a:b"), context: ["request-id": "17"])
      try await JobClient(server: api.url).schedule(request)
      let call = try #require(api.calls.first)
      #expect(
        try JSONValue(parsing: call.body.utf8).members?["context"] == ["request-id": "17"])
    }
  }

  @Test("refuses params that are no JSON, before anything is sent")
  func invalidParams() async throws {
    let client = try JobClient(server: "http://127.0.0.1:1")
    let error = await #expect(throws: JobClientError.self) {
      try await client.schedule(try JobTypeID("a:b"), params: ["x": Double.nan])
    }
    guard case .invalidRequest = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test("asks for a job, cancels and deletes it")
  func oneJob() async throws {
    let job = try Job.fixture()
    try await FakeAPI({ $0.method == "GET" ? try .json(200, job) : try .json(202, job) }).serve {
      api in
      let client = try JobClient(server: api.url)
      #expect(try await client.get(job.id) == job)
      #expect(try await client.cancel(job.id) == job)
      #expect(try await client.delete(job.id) == job)
      #expect(
        api.calls.map { "\($0.method) \($0.target)" } == [
          "GET /jobs/\(job.id)", "POST /jobs/\(job.id)/cancel", "DELETE /jobs/\(job.id)",
        ])
    }
  }

  @Test("retries a job, and says whether that is new")
  func retry() async throws {
    var job = try Job.fixture()
    let old = JobID()
    job.retryOf = old
    let new = job
    try await FakeAPI({ _ in try .json(200, new) }).serve { api in
      let retried = try await JobClient(server: api.url).retry(old)
      #expect(retried.job.retryOf == old)
      #expect(!retried.isNew)
      #expect(api.calls.map { "\($0.method) \($0.target)" } == ["POST /jobs/\(old)/retry"])
    }
  }

  @Test("schedules many jobs in as few requests as they fit in, each with its own end")
  func batch() async throws {
    let job = try Job.fixture()
    let problem = Problem(type: "/problems/unknown-type", title: "t", status: 422, detail: "d")
    try await FakeAPI({ call in
      guard case .array(let entries) = try JSONValue(parsing: call.body.utf8) else {
        return FakeAPI.Answer(400)
      }
      return try .json(
        200,
        entries.enumerated().map { index, _ in
          index == 1 ? BatchResult(problem) : BatchResult(job, isNew: index == 0)
        })
    }).serve { api in
      let client = try JobClient(server: api.url)
      let type = try JobTypeID("a:b")
      let few = try await client.schedule((0..<3).map { _ in ScheduleRequest(type: type) })
      #expect(few.map { try? $0.get().isNew } == [true, nil, false])
      #expect(throws: problem) { try few[1].get() }
      let many = try await client.schedule((0..<1500).map { _ in ScheduleRequest(type: type) })
      #expect(many.count == 1500)
      let large = JSONValue.object(["a": .string(String(repeating: "x", count: 300_000))])
      let bytes = try await client.schedule(
        (0..<4).map { _ in ScheduleRequest(type: type, params: large) })
      #expect(bytes.count == 4)
      #expect(try await client.schedule([]).isEmpty)
      #expect(api.calls.map(\.target) == Array(repeating: "/jobs/batch", count: 5))
    }
  }

  @Test("begins an operation on many jobs, asks how far it is, and stops it")
  func bulk() async throws {
    let request = BulkRequest(
      action: .retry,
      filter: BulkFilter(
        statuses: [.timedOut, .failed], type: try JobTypeID("a:b"), queue: .compute,
        createdAfter: Timestamp(milliseconds: 1), createdBefore: Timestamp(milliseconds: 2)),
      reason: "r", rate: 2.5)
    let operation = BulkOperation(
      tenantID: .zero, request: request, survey: BulkSurvey(matching: 3, last: 0), createdAt: .now)
    try await FakeAPI({ call in
      if call.body.contains("\"dry_run\":true") {
        return try .json(200, BulkPreview(matching: 3))
      }
      return call.target.hasPrefix("/operations?")
        ? try .json(
          200, BulkOperationList(pageSize: 2, pageNumber: 1, total: 1, operations: [operation]))
        : try .json(202, operation)
    }).serve { api in
      let client = try JobClient(server: api.url)
      #expect(try await client.preview(request).matching == 3)
      #expect(try await client.begin(request, key: "k") == operation)
      #expect(try await client.operation(operation.id) == operation)
      #expect(try await client.cancelOperation(operation.id) == operation)
      let list = try await client.operations(status: .running, pageSize: 2)
      #expect(list.operations == [operation])
      let id = operation.id.uuidString.lowercased()
      #expect(
        api.calls.map { "\($0.method) \($0.target)" } == [
          "POST /jobs/bulk", "POST /jobs/bulk", "GET /operations/\(id)",
          "POST /operations/\(id)/cancel", "GET /operations?page_size=2&status=running",
        ])
      let body = try JSONValue(parsing: api.calls[1].body.utf8)
      #expect(
        body.members?["filter"] == [
          "status": ["failed", "timeout"], "type": "a:b", "queue": "compute", "created_after": 1,
          "created_before": 2,
        ])
      #expect(body.members?["rate"] == 2.5)
      #expect(body.members?["action"] == "retry")
    }
  }

  @Test("prunes, or asks what would go")
  func prune() async throws {
    let pruned = Pruned(
      jobs: [PruneCount(type: try JobTypeID("a:b"), status: .timedOut, count: 3)], tombstones: 2,
      hasMore: true)
    try await FakeAPI({ call in
      try .json(200, PruneReport(pruned, dryRun: call.target.contains("dry_run")))
    }).serve { api in
      let client = try JobClient(server: api.url)
      #expect(try await client.prune() == PruneReport(pruned, dryRun: false))
      #expect(try await client.prune(dryRun: true) == PruneReport(pruned, dryRun: true))
      #expect(
        api.calls.map { "\($0.method) \($0.target)" } == [
          "POST /prune", "POST /prune?dry_run=true",
        ])
    }
  }

  @Test("lists with the filter that it was given")
  func list() async throws {
    let list = JobList(
      pageSize: 5, pageNumber: 2, order: "id", total: 6, jobs: [try Job.fixture()])
    try await FakeAPI({ _ in try .json(200, list) }).serve { api in
      let client = try JobClient(server: api.url)
      #expect(try await client.list() == list)
      let filter = JobFilter(
        statuses: [.waiting, .timedOut], type: try JobTypeID("a:b"), queue: .compute, order: "-id",
        page: 2, pageSize: 5)
      #expect(try await client.list(filter) == list)
      #expect(
        api.calls.map(\.target) == [
          "/jobs",
          "/jobs?status=waiting%2Ctimeout&type=a:b&queue=compute&order=-id&page=2&page_size=5",
        ])
    }
  }

  @Test("walks a list by what each answer says comes next")
  func walk() async throws {
    let jobs = try (0..<3).map { _ in try Job.fixture() }
    try await FakeAPI({ call in
      let index =
        call.target.contains("after=b") ? 2 : call.target.contains("after=a") ? 1 : 0
      return try .json(
        200,
        JobList(
          pageSize: 1, pageNumber: 1, order: "-created_at", total: 3,
          next: index < 2 ? ["a", "b"][index] : nil, jobs: [jobs[index]]))
    }).serve { api in
      let client = try JobClient(server: api.url)
      var filter = JobFilter(pageSize: 1)
      var seen: [Job] = []
      repeat {
        let list = try await client.list(filter)
        seen += list.jobs
        filter.after = list.next
      } while filter.after != nil && seen.count < 10
      #expect(seen == jobs)
      #expect(
        api.calls.map(\.target) == [
          "/jobs?page_size=1", "/jobs?after=a&page_size=1", "/jobs?after=b&page_size=1",
        ])
    }
  }

  @Test("finds a job by its idempotency key, or none")
  func find() async throws {
    let job = try Job.fixture()
    let key = UUID()
    try await FakeAPI({ call in
      let jobs = call.target.contains(key.uuidString.lowercased()) ? [job] : []
      return try .json(
        200, JobList(pageSize: 50, pageNumber: 1, order: "id", total: jobs.count, jobs: jobs))
    }).serve { api in
      let client = try JobClient(server: api.url)
      #expect(try await client.find(idempotencyKey: IdempotencyKey(uuid: key)) == job)
      #expect(try await client.find(idempotencyKey: "another") == nil)
    }
  }

  @Test("reads a job's log, from a line on")
  func log() async throws {
    let line = JobLogLine(
      number: 4, time: Timestamp(milliseconds: 5), level: .info, attempt: 1, text: "x")
    let log = JobLog(lines: [line], dropped: 3)
    try await FakeAPI({ _ in try .json(200, log) }).serve { api in
      let client = try JobClient(server: api.url)
      let id = JobID()
      #expect(try await client.log(of: id) == log)
      #expect(try await client.log(of: id, after: 3) == log)
      #expect(api.calls.map(\.target) == ["/jobs/\(id)/log", "/jobs/\(id)/log?after=3"])
    }
  }

  @Test("asks for types, groups, queues, workers and health")
  func catalog() async throws {
    let type = JobTypeDescription(
      id: try JobTypeID("a:b"), description: "d", timeout: .zero, retry: .never, params: ["x": 1],
      schema: ParamsSchema(defaults: ["x": 1] as JSONValue), suspendable: false)
    let types = JobTypeList(
      pageSize: 50, pageNumber: 1, order: "type_id", total: 1, jobTypes: [type])
    let groups = JobGroupList(
      pageSize: 50, pageNumber: 1, order: "name", total: 1,
      jobGroups: [try JobGroup("a", queue: .compute)])
    let queues = QueueList(queues: [
      QueueStatus(name: .compute, capacity: 1, waiting: 2, scheduled: 3, running: 4, workers: 5)
    ])
    let workers = WorkerList(workers: [
      WorkerStatus(
        id: WorkerID(rawValue: "w"), host: "h", processID: 1,
        startedAt: Timestamp(milliseconds: 1), queues: [], types: [type.id], running: 0)
    ])
    try await FakeAPI({ call in
      switch call.target {
      case "/job_types?page=1&page_size=9": try .json(200, types)
      case "/job_types/a:b": try .json(200, type)
      case "/job_groups": try .json(200, groups)
      case "/queues": try .json(200, queues)
      case "/workers": try .json(200, workers)
      case "/healthz": .init(200, #"{"status":"ok"}"#)
      case "/readyz": .init(200, #"{"status":"ready"}"#)
      default: .init(404)
      }
    }).serve { api in
      let client = try JobClient(server: api.url)
      #expect(try await client.types(page: 1, pageSize: 9) == types)
      #expect(try await client.type(type.id) == type)
      #expect(try await client.groups() == groups)
      #expect(try await client.queues() == queues)
      #expect(try await client.workers() == workers)
      try await client.health()
      try await client.ready()
    }
  }
}
