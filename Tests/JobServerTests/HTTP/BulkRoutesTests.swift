import Foundation
import HTTPTypes
import HummingbirdTesting
import JobStore
import Jobs
import NIOCore
import Testing

@testable import JobServer

@Suite("Many jobs over HTTP", .timeLimit(.minutes(2)))
struct BulkRoutesTests {
  // MARK: Retry

  @Test("a failed job is retried as a new job that names it, once, however often it is asked for")
  func retry() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      try await fixture.fail(job)
      try await fixture.test { client in
        let response = try await client.send(.post, "/jobs/\(job.id)/retry")
        #expect(response.status == .accepted)
        let new = try response.decoded(as: Job.self)
        #expect(response.headers[.location] == "/jobs/\(new.id)")
        #expect(new.id != job.id)
        #expect(new.retryOf == job.id)
        #expect(new.status == .waiting)
        #expect((new.type, new.params, new.timeout) == (job.type, job.params, job.timeout))
        #expect((new.retry, new.priority, new.tenantID) == (job.retry, job.priority, job.tenantID))
        #expect(String(buffer: response.body).contains(#""retry_of":"\#(job.id)""#))
        let again: Job = try await client.read(.post, "/jobs/\(job.id)/retry", status: .ok)
        #expect(again == new)
        let stored: Job = try await client.read(.get, "/jobs/\(new.id)")
        #expect(stored == new)
        // The predecessor is final: nothing of it changes.
        #expect(try await fixture.store.job(job.id)?.status == .failed)
      }
    }
  }

  @Test("a retry keeps what the job was given, and its params are completed anew")
  func retryKeeps() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let job: Job = try await client.read(
          .post, "/jobs", status: .accepted,
          body: """
            {"type": "files:checksum", "params": {"path": "/x"}, "timeout_sec": 2.5,
             "max_retries": 0, "priority": 7, "context": {"request-id": "17"}}
            """)
        _ = try await client.read(
          .post, "/jobs/\(job.id)/cancel", as: Job.self, status: .accepted)
        let new: Job = try await client.read(.post, "/jobs/\(job.id)/retry", status: .accepted)
        #expect(new.params == ["path": "/x", "rounds": 1])
        #expect(new.timeout == .milliseconds(2500))
        #expect((new.retry.maxRetries, new.priority) == (0, 7))
        #expect(new.context == ["request-id": "17"])
        let submitted = try await fixture.store.submitted([new.id], bytes: .max)
        #expect(submitted.first??.submitted == ["path": "/x"])
      }
    }
  }

  @Test(
    "a job that has not failed cannot be retried, nor one of another tenant, nor one of a type that is gone"
  )
  func retryRefused() async throws {
    try await APIFixture.with { fixture in
      let waiting = try await fixture.scheduled()
      let completed = try await fixture.scheduled("files:count")
      try await fixture.complete(completed)
      let foreign = try await fixture.scheduled(tenant: UUID())
      var orphan = Job(
        id: JobID(), tenantID: .zero, userID: .zero, idempotencyKey: UUID(),
        type: try JobTypeID("gone:away"), queue: .compute, params: [:], timeout: .zero,
        retry: RetryPolicy(maxRetries: 0), scheduledAt: .now, createdAt: .now)
      orphan.status = .failed
      _ = try await fixture.store.insert(NewJob(orphan, submitted: [:]), at: .now)
      let gone = orphan.id
      try await fixture.test { client in
        for job in [waiting, completed] {
          let problem = try await client.problem(.post, "/jobs/\(job.id)/retry")
          #expect(problem.type == "/problems/held")
          #expect(problem.jobID == job.id)
          #expect(problem.detail.contains("canceled, failed, timeout"))
        }
        for id in [foreign.id, JobID()] {
          #expect(
            try await client.problem(.post, "/jobs/\(id)/retry").type == "/problems/not-found")
        }
        #expect(
          try await client.problem(.post, "/jobs/\(gone)/retry").type == "/problems/unknown-type")
      }
    }
  }

  // MARK: Batch

  @Test(
    "a body where none is taken is refused, rather than passed over",
    arguments: ["retry", "cancel", "suspend", "resume"])
  func noBody(action: String) async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      if action == "retry" { try await fixture.fail(job) }
      let before = try await fixture.store.job(job.id)
      try await fixture.test { client in
        let problem = try await client.problem(
          .post, "/jobs/\(job.id)/\(action)", body: #"{"reason": "x"}"#)
        #expect(problem.type == "/problems/invalid-body")
        #expect(problem.detail.contains("takes no body"))
        #expect(try await fixture.store.job(job.id) == before)
      }
    }
  }

  @Test("of a batch each is accepted or refused by itself, in its order")
  func batch() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let results: [BatchResult] = try await client.read(
          .post, "/jobs/batch",
          body: """
            [{"type": "files:checksum", "params": {"path": "a"}, "idempotency_key": "k"},
             {"type": "files:nothing"}, 17, {"type": "files:checksum", "priority": 99},
             {"type": "files:checksum", "params": {"rounds": "many"}},
             {"type": "files:checksum", "params": {"path": "a"}, "idempotency_key": "k"},
             {"type": "files:checksum", "params": {"path": "b"}, "idempotency_key": "k"},
             {"type": "files:count"}]
            """)
        #expect(results.map(\.status) == [202, 422, 400, 400, 422, 200, 409, 202])
        #expect(
          results.map { $0.problem?.type } == [
            nil, "/problems/unknown-type", "/problems/invalid-body", "/problems/invalid-body",
            "/problems/invalid-params", nil, "/problems/conflict", nil,
          ])
        #expect(results[1].problem?.knownTypes?.isEmpty == false)
        #expect(results[5].job?.id == results[0].job?.id)
        #expect(results[6].problem?.jobID == results[0].job?.id)
        #expect(results.allSatisfy { ($0.job == nil) != ($0.problem == nil) })
        for job in results.compactMap(\.job) {
          let stored: Job = try await client.read(.get, "/jobs/\(job.id)")
          #expect(stored == job)
        }
        #expect(try await fixture.service.list(JobQuery(tenant: .zero)).total == 2)
      }
    }
  }

  @Test("an entry of a batch that has a member twice is refused by itself")
  func batchRepetition() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let results: [BatchResult] = try await client.read(
          .post, "/jobs/batch",
          body: #"""
            [{"type": "files:count"}, {"type": "files:count", "type": "files:checksum"},
             {"type": "files:checksum", "params": {"path": "type"}}]
            """#)
        #expect(results.map(\.status) == [202, 400, 202])
        #expect(results[1].problem?.detail == "the member type is given twice")
      }
    }
  }

  @Test("1,000 jobs are one batch and one transaction, and one more is refused with all")
  func batchSize() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        func body(_ count: Int) -> String {
          "[" + repeatElement(#"{"type":"files:count"}"#, count: count).joined(separator: ",") + "]"
        }
        let results: [BatchResult] = try await client.read(.post, "/jobs/batch", body: body(1000))
        #expect(results.count == 1000)
        #expect(results.allSatisfy { $0.status == 202 })
        #expect(Set(results.compactMap(\.job?.id)).count == 1000)
        let tooMany = try await client.problem(.post, "/jobs/batch", body: body(1001))
        #expect(tooMany.type == "/problems/invalid-body")
        #expect(tooMany.detail.contains("1 to 1000"))
        #expect(try await fixture.service.list(JobQuery(tenant: .zero)).total == 1000)
      }
    }
  }

  @Test("a batch that is no array of jobs is refused", arguments: ["", "{}", "[", "[]", "17"])
  func noBatch(body: String) async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let problem = try await client.problem(.post, "/jobs/batch", body: body)
        #expect(["/problems/invalid-json", "/problems/invalid-body"].contains(problem.type))
        let untyped = try await client.problem(
          .post, "/jobs/batch", headers: [.contentType: "text/plain"], body: "[]")
        #expect(untyped.type == "/problems/unsupported-media-type")
      }
    }
  }

  @Test(
    "an empty body is called that, and told what would be right, also without a media type",
    arguments: [
      ("/jobs", "a JSON object, as in {\"type\""),
      ("/jobs/bulk", "a JSON object, as in {\"action\""),
      ("/jobs/batch", "a JSON array of jobs, as in [{"),
    ])
  func emptyBody(path: String, wanted: String) async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        for body in ["", nil] {
          let problem = try await client.problem(.post, path, body: body)
          #expect(problem.type == "/problems/invalid-json")
          #expect(problem.detail.hasPrefix("the body is empty; it must be " + wanted))
        }
      }
    }
  }

  // MARK: Bulk

  @Test("a bulk request is an operation, with its place, that begins once for each key")
  func bulk() async throws {
    try await APIFixture.with { fixture in
      for _ in 0..<3 { try await fixture.scheduled() }
      try await fixture.test { client in
        let body = """
          {"action": "cancel", "filter": {"status": ["waiting"], "type": "files:checksum"},
           "reason": "no need", "rate": 5, "idempotency_key": "stop"}
          """
        let response = try await client.send(.post, "/jobs/bulk", body: body)
        #expect(response.status == .accepted)
        let operation = try response.decoded(as: BulkOperation.self)
        let place = "/operations/\(operation.id.uuidString.lowercased())"
        #expect(response.headers[.location] == place)
        #expect(operation.status == .running)
        #expect((operation.matching, operation.done) == (3, 0))
        #expect(
          operation.request
            == BulkRequest(
              action: .cancel,
              filter: BulkFilter(statuses: [.waiting], type: try JobTypeID("files:checksum")),
              reason: "no need", rate: 5))
        let again: BulkOperation = try await client.read(.post, "/jobs/bulk", body: body)
        #expect(again == operation)
        let other = try await client.problem(
          .post, "/jobs/bulk",
          body: #"{"action": "retry", "filter": {}, "idempotency_key": "stop"}"#)
        #expect(other.type == "/problems/conflict")
        #expect(!other.title.contains("job") && other.detail.contains("operation"))
        #expect(try await client.read(.get, place, as: BulkOperation.self) == operation)

        let canceled: BulkOperation = try await client.read(.post, place + "/cancel")
        #expect(canceled.status == .canceled)
        #expect(canceled.endedAt != nil)
        let list: BulkOperationList = try await client.read(.get, "/operations")
        #expect(list.operations == [canceled])
        #expect(list.total == 1)
        let running: BulkOperationList = try await client.read(.get, "/operations?status=running")
        #expect(running.total == 0)
      }
    }
  }

  @Test("a dry run counts and begins nothing")
  func dryRun() async throws {
    try await APIFixture.with { fixture in
      for _ in 0..<3 { try await fixture.scheduled() }
      try await fixture.scheduled(tenant: UUID())
      try await fixture.test { client in
        let preview: BulkPreview = try await client.read(
          .post, "/jobs/bulk", body: #"{"action": "cancel", "filter": {}, "dry_run": true}"#)
        #expect(preview.matching == 3)
        let list: BulkOperationList = try await client.read(.get, "/operations")
        #expect(list.total == 0)
      }
    }
  }

  @Test(
    "a bulk request that is wrong is told what would be right",
    arguments: [
      (#"{"action": "cancel"}"#, "filter"), (#"{"filter": {}}"#, "action"),
      (#"{"action": "burn", "filter": {}}"#, "cancel, retry, delete, suspend, resume"),
      (#"{"action": "delete", "filter": {}}"#, "must exclude something"),
      (#"{"action": "cancel", "filter": {"status": ["completed"]}}"#, "not completed"),
      (#"{"action": "retry", "filter": {"status": "failed"}}"#, "an array"),
      (#"{"action": "cancel", "filter": {"state": ["waiting"]}}"#, "no member 'filter.state'"),
      (#"{"action": "cancel", "filter": {"status": []}}"#, "filter.status must be an array of one"),
      (#"{"action": "cancel", "filter": {"status": []}}"#, "not an empty one"),
      (#"{"action": "cancel", "filter": {"type": "x"}}"#, "the member filter.type: "),
      (#"{"action": "cancel", "filter": {"created_after": "now"}}"#, "Unix milliseconds"),
      (#"{"action": "cancel", "filter": {}, "rate": 0}"#, "a number from 0.01 to 100000, not 0"),
      (#"{"action": "cancel", "filter": {}, "dry_run": 1}"#, "true or false"),
      (
        #"{"action": "cancel", "action": "cancel", "filter": {}}"#,
        "the member action is given twice"
      ),
      (
        #"{"action": "cancel", "filter": {"type": "a:b", "type": "c:d"}}"#,
        "the member filter.type is given twice"
      ),
    ])
  func wrong(body: String, hint: String) async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let problem = try await client.problem(.post, "/jobs/bulk", body: body)
        #expect(problem.type == "/problems/invalid-body")
        #expect(problem.detail.contains(hint), "\(problem.detail)")
      }
    }
  }

  @Test("another tenant's operation is not there, and of one tenant only so many run")
  func tenants() async throws {
    try await APIFixture.with { fixture in
      let tenant = UUID()
      let (operation, _) = try await fixture.service.begin(
        BulkRequest(action: .cancel, filter: BulkFilter()), tenant: tenant, key: nil)
      for _ in 1..<JobOperations.mostOperations {
        _ = try await fixture.service.begin(
          BulkRequest(action: .cancel, filter: BulkFilter()), tenant: tenant, key: nil)
      }
      try await fixture.test { client in
        for path in ["/operations/\(operation.id)", "/operations/\(UUID())"] {
          #expect(try await client.problem(.get, path).type == "/problems/not-found")
          #expect(try await client.problem(.post, path + "/cancel").type == "/problems/not-found")
        }
        #expect(
          try await client.problem(.get, "/operations/x").type == "/problems/invalid-parameter")
        let list: BulkOperationList = try await client.read(.get, "/operations")
        #expect(list.total == 0)
        let own: BulkOperation = try await client.read(
          .get, "/operations/\(operation.id)", tenant: tenant)
        #expect(own == operation)
        var headers = HTTPFields()
        headers[try #require(HTTPField.Name("X-Tenant-ID"))] = tenant.uuidString
        let refused = try await client.send(
          .post, "/jobs/bulk", headers: headers, body: #"{"action": "cancel", "filter": {}}"#)
        #expect(refused.headers[.retryAfter] == "30")
        #expect(try refused.problem().type == "/problems/too-many-requests")
      }
    }
  }
}

extension APIFixture {
  /// Lets a worker fail the job for good.
  fileprivate func fail(_ job: Job) async throws {
    let worker = WorkerID(rawValue: "w")
    try await start(job, worker: worker)
    _ = try await store.report(
      [
        JobReport(
          job: job.id, attempt: 1, worker: worker,
          content: .ended(.failed(error: "no", permanent: true)))
      ], chances: [0], at: .now)
    #expect(try await store.job(job.id)?.status == .failed)
  }
}
