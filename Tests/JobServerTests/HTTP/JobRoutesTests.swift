import Foundation
import HTTPTypes
import HummingbirdTesting
import JobStore
import Jobs
import Logging
import NIOCore
import Testing

@testable import JobServer

@Suite("/jobs", .timeLimit(.minutes(2)))
struct JobRoutesTests {
  @Test("a job that is scheduled is answered with 202, its place and all that it is")
  func schedule() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let response = try await client.send(
          .post, "/jobs", body: #"{"type": "files:checksum", "params": {"path": "/x"}}"#)
        #expect(response.status == .accepted)
        let job = try response.decoded(as: Job.self)
        #expect(response.headers[.location] == "/jobs/\(job.id)")
        #expect(response.headers[.contentType] == "application/json")
        #expect(job.status == .waiting)
        #expect(job.queue == .compute)
        #expect(job.params == ["path": "/x", "rounds": 1])
        #expect(job.timeout == .seconds(60))
        #expect(job.retry.maxRetries == 2)
        let stored: Job = try await client.read(.get, "/jobs/\(job.id)")
        #expect(stored == job)
      }
    }
  }

  @Test("what the job is given overrides what its type says")
  func overrides() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let tenant = UUID()
        let key = UUID()
        let job: Job = try await client.read(
          .post, "/jobs", status: .accepted, tenant: tenant,
          body: """
            {"type": "files:checksum", "idempotency_key": "\(key)", "scheduled_at": 4102444800000,
             "timeout_sec": 2.5, "max_retries": 9, "retry_delay_sec": 0.25, "priority": 7}
            """)
        #expect(job.tenantID == tenant)
        #expect(job.idempotencyKey == key)
        #expect(job.scheduledAt.milliseconds == 4_102_444_800_000)
        #expect(job.timeout == .milliseconds(2500))
        #expect(job.retry.maxRetries == 9)
        #expect(job.retry.delay == .milliseconds(250))
        #expect(job.priority == 7)
      }
    }
  }

  @Test(
    "a context is kept with the job, without what is no trace, and one that is wrong is refused")
  func context() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let job: Job = try await client.read(
          .post, "/jobs", status: .accepted,
          body: """
            {"type": "files:checksum", "context": {"request-id": "17", "traceparent": "no trace"}}
            """)
        #expect(job.context == ["request-id": "17"])
        let response = try await client.send(
          .post, "/jobs", body: #"{"type": "files:checksum", "context": {"Request-ID": "17"}}"#)
        #expect(response.status == .badRequest)
        #expect(String(buffer: response.body).contains("'Request-ID' is no name"))
      }
    }
  }

  @Test("a repeated key is the same job with 200, and with other params a conflict that names it")
  func repeatedKey() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let body = { (path: String, key: UUID) in
          #"{"type": "files:checksum", "params": {"path": "\#(path)"}, "idempotency_key": "\#(key)"}"#
        }
        let key = UUID()
        let first: Job = try await client.read(
          .post, "/jobs", status: .accepted, body: body("/x", key))
        let again = try await client.send(.post, "/jobs", body: body("/x", key))
        #expect(again.status == .ok)
        #expect(try again.decoded(as: Job.self).id == first.id)
        #expect(again.headers[.location] == "/jobs/\(first.id)")

        let problem = try await client.problem(.post, "/jobs", body: body("/y", key))
        #expect(problem.type == "/problems/conflict")
        #expect(problem.status == 409)
        #expect(problem.detail.contains(first.id.description))
        #expect(problem.jobID == first.id)
      }
    }
  }

  @Test("a key is any text, and finds its job as itself and as its UUID")
  func textKey() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let body = #"{"type": "files:count", "idempotency_key": "order 7/ä"}"#
        let first: Job = try await client.read(.post, "/jobs", status: .accepted, body: body)
        let again: Job = try await client.read(.post, "/jobs", status: .ok, body: body)
        #expect(again.id == first.id)
        for key in ["order%207%2F%C3%A4", first.idempotencyKey.uuidString.lowercased()] {
          let list: JobList = try await client.read(.get, "/jobs?idempotency_key=\(key)")
          #expect(list.jobs.map(\.id) == [first.id])
        }
        for length in [0, 256] {
          let key = String(repeating: "x", count: length)
          let body = #"{"type": "files:count", "idempotency_key": "\#(key)"}"#
          let problem = try await client.problem(.post, "/jobs", body: body)
          #expect(problem.status == 400)
          #expect(problem.detail.contains("1 to 255 bytes"))
        }
      }
    }
  }

  @Test("the same key of another tenant is another job")
  func keysOfTenants() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let body = #"{"type": "files:count", "idempotency_key": "\#(UUID())"}"#
        let one: Job = try await client.read(
          .post, "/jobs", status: .accepted, tenant: UUID(), body: body)
        let other: Job = try await client.read(
          .post, "/jobs", status: .accepted, tenant: UUID(), body: body)
        #expect(one.id != other.id)
      }
    }
  }

  @Test("50 concurrent posts with the same key are one job, new in one answer only")
  func concurrentPosts() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let body = #"{"type": "files:count", "idempotency_key": "\#(UUID())"}"#
        let answers = try await withThrowingTaskGroup { group in
          for _ in 0..<50 {
            group.addTask {
              let response = try await client.send(.post, "/jobs", body: body)
              return (response.status, try response.decoded(as: Job.self).id)
            }
          }
          return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.count == 50)
        #expect(Set(answers.map(\.1)).count == 1)
        #expect(answers.count { $0.0 == .accepted } == 1)
        #expect(answers.count { $0.0 == .ok } == 49)
        let list: JobList = try await client.read(.get, "/jobs")
        #expect(list.total == 1)
      }
    }
  }

  @Test("16 concurrent clients schedule 320 jobs, while every list in between is correct")
  func concurrentClients() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        try await withThrowingDiscardingTaskGroup { group in
          for _ in 0..<16 {
            group.addTask {
              for round in 1...20 {
                let job: Job = try await client.read(
                  .post, "/jobs", status: .accepted, body: #"{"type": "files:count"}"#)
                if round.isMultiple(of: 5) {
                  let list: JobList = try await client.read(
                    .get, "/jobs?page_size=1000&order=-created_at")
                  #expect(list.jobs.contains { $0.id == job.id })
                  #expect(Set(list.jobs.map(\.id)).count == list.jobs.count)
                  #expect(list.total == list.jobs.count)
                }
              }
            }
          }
        }
        let list: JobList = try await client.read(.get, "/jobs?page_size=1000")
        #expect(list.total == 320)
        #expect(Set(list.jobs.map(\.id)).count == 320)
      }
    }
  }

  @Test("a type that is not known is told the known ones", arguments: ["files:sum", "sum"])
  func unknownType(type: String) async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let problem = try await client.problem(.post, "/jobs", body: #"{"type": "\#(type)"}"#)
        #expect(problem.type == "/problems/unknown-type")
        #expect(problem.status == 422)
        #expect(problem.detail.contains("'\(type)'") || problem.detail.contains(type))
        #expect(problem.detail.contains("files:checksum, files:count"))
        #expect(problem.knownTypes?.map(\.description) == ["files:checksum", "files:count"])
      }
    }
  }

  @Test(
    "params that do not fit are named",
    arguments: [
      (#"{"path": 7}"#, "the parameter /path must be string, not integer"),
      (#"{"rounds": "many"}"#, "the parameter /rounds must be integer, not string"),
      (#"{"pth": "/x"}"#, "the parameter /pth is no parameter"),
    ])
  func invalidParams(params: String, detail: String) async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let problem = try await client.problem(
          .post, "/jobs", body: #"{"type": "files:checksum", "params": \#(params)}"#)
        #expect(problem.type == "/problems/invalid-params")
        #expect(problem.status == 422)
        #expect(problem.detail.contains(detail), "\(problem.detail)")
        #expect(problem.errors?.count == 1)
        #expect(problem.errors?.first?.detail.contains(detail) == true)
        let list: JobList = try await client.read(.get, "/jobs")
        #expect(list.total == 0)
      }
    }
  }

  @Test("all that does not fit is told at once, with pointers")
  func allErrors() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let problem = try await client.problem(
          .post, "/jobs",
          body: #"{"type": "files:checksum", "params": {"path": 7, "rounds": "many", "a/b": 1}}"#)
        #expect(problem.type == "/problems/invalid-params")
        #expect(
          problem.errors?.map { "\($0.pointer) \($0.keyword)" } == [
            "/a~1b additionalProperties", "/path type", "/rounds type",
          ])
        #expect(
          problem.detail.hasSuffix(
            "the parameter /path must be string, not integer; the parameter /rounds must be integer,"
              + " not string"))
      }
    }
  }

  @Test("a body of another media type is refused, and one of none")
  func mediaTypes() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        for type in ["text/plain", "application/x-www-form-urlencoded", ""] {
          let problem = try await client.problem(
            .post, "/jobs", headers: [.contentType: type], body: #"{"type": "files:count"}"#)
          #expect(problem.type == "/problems/unsupported-media-type")
          #expect(problem.status == 415)
        }
        // Without a body it is that which is missing.
        let bare = try await client.problem(.post, "/jobs")
        #expect(bare.type == "/problems/invalid-json")
        #expect(bare.detail.contains("the body is empty"))
      }
    }
  }

  @Test("a body of the limit is taken, and a byte more is too large, stated or not")
  func bodyLimit() async throws {
    let limit = 4096
    try await APIFixture.with(maxBodyBytes: limit) { fixture in
      try await fixture.test { client in
        let frame = #"{"type": "files:checksum", "params": {"path": ""}}"#
        let body = { (size: Int) in
          frame.replacing(
            #""""#, with: "\"\(String(repeating: "x", count: size - frame.utf8.count))\"")
        }
        #expect(body(limit).utf8.count == limit)
        let _: Job = try await client.read(.post, "/jobs", status: .accepted, body: body(limit))
        for stated in [nil, "0"] {
          var headers: HTTPFields = [.contentType: "application/json"]
          headers[.contentLength] = stated
          let problem = try await client.problem(
            .post, "/jobs", headers: headers, body: body(limit + 1))
          #expect(problem.type == "/problems/body-too-large")
          #expect(problem.status == 413)
          #expect(problem.detail.contains("4096"))
        }
      }
    }
  }

  @Test("bodies that are no JSON, and members that are wrong, are refused")
  func badBodies() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let noJSON = try await client.problem(.post, "/jobs", body: "{")
        #expect(noJSON.type == "/problems/invalid-json")
        #expect(noJSON.status == 400)
        let wrong = try await client.problem(
          .post, "/jobs", body: #"{"type": "files:count", "max_retry": 1}"#)
        #expect(wrong.type == "/problems/invalid-body")
        #expect(wrong.status == 400)
        #expect(wrong.detail.contains("max_retry"))
      }
    }
  }

  @Test("a tenant or a user that is no UUID is refused")
  func badHeaders() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        for header in ["X-Tenant-ID", "X-User-ID"] {
          let name = try #require(HTTPField.Name(header))
          let problem = try await client.problem(.get, "/jobs", headers: [name: "me"])
          #expect(problem.type == "/problems/invalid-parameter")
          #expect(problem.status == 400)
          #expect(problem.detail.contains(header))
        }
      }
    }
  }

  @Test("jobs are listed by page, with the true total")
  func pages() async throws {
    try await APIFixture.with { fixture in
      for _ in 0..<5 { try await fixture.scheduled() }
      try await fixture.test { client in
        var seen: [JobID] = []
        for page in 1...3 {
          let list: JobList = try await client.read(.get, "/jobs?page=\(page)&page_size=2")
          #expect(list.pageNumber == page)
          #expect(list.pageSize == 2)
          #expect(list.order == "-created_at")
          #expect(list.total == 5)
          #expect(list.jobs.count == (page == 3 ? 1 : 2))
          seen += list.jobs.map(\.id)
        }
        #expect(Set(seen).count == 5)
        let beyond: JobList = try await client.read(.get, "/jobs?page=4&page_size=2")
        #expect(beyond.jobs.isEmpty)
        #expect(beyond.total == 5)
      }
    }
  }

  @Test("a list is walked by its cursor, each job once, though others come in meanwhile")
  func cursors() async throws {
    try await APIFixture.with { fixture in
      var made: [JobID] = []
      for _ in 0..<5 { made.append(try await fixture.scheduled().id) }
      let jobs = made
      try await fixture.test { client in
        for (order, expected) in [("created_at", jobs), ("-created_at", jobs.reversed())] {
          var seen: [JobID] = []
          var after: String?
          for part in 1...3 {
            let place = after.map { "&after=\($0)" } ?? ""
            let list: JobList = try await client.read(
              .get, "/jobs?page_size=2&order=\(order)&status=waiting\(place)")
            #expect(list.jobs.count == (part == 3 ? 1 : 2))
            #expect(list.total == 5)
            #expect(list.pageNumber == 1)
            #expect((list.next == nil) == (part == 3))
            seen += list.jobs.map(\.id)
            after = list.next
          }
          #expect(seen == expected)
        }
        let first: JobList = try await client.read(.get, "/jobs?page_size=4")
        let place = try #require(first.next)
        try await fixture.scheduled()
        let rest: JobList = try await client.read(.get, "/jobs?after=\(place)")
        #expect(rest.jobs.map(\.id) == [jobs[0]])
        #expect(rest.total == 6)
      }
    }
  }

  @Test("a list has no next at its end, nor where it is not ordered by creation")
  func noNext() async throws {
    try await APIFixture.with { fixture in
      for _ in 0..<2 { try await fixture.scheduled() }
      try await fixture.test { client in
        for query in ["page_size=2", "page=2&page_size=1", "page_size=1&order=scheduled_at"] {
          let answer = try await client.read(.get, "/jobs?\(query)", as: JSONValue.self)
          #expect(answer.members?["total"] == 2)
          #expect(answer.members?.keys.contains("next") == false, "\(query)")
        }
      }
    }
  }

  @Test("jobs are filtered by status, type and queue, and ordered as asked")
  func filters() async throws {
    try await APIFixture.with { fixture in
      let later = try await fixture.scheduled(at: .now + .seconds(3600))
      let latest = try await fixture.scheduled(at: .now + .seconds(7200))
      let done = try await fixture.scheduled("files:count")
      try await fixture.complete(done)
      try await fixture.test { client in
        for (query, expected) in [
          ("order=scheduled_at", [done, later, latest]),
          ("order=-scheduled_at", [latest, later, done]),
          ("status=waiting&order=scheduled_at", [later, latest]),
          ("status=completed", [done]),
          ("status=completed,waiting&order=scheduled_at", [done, later, latest]),
          ("status=failed", []),
          ("type=files:count", [done]),
          ("type=files:count&status=waiting", []),
          ("queue=compute&order=scheduled_at", [done, later, latest]),
          ("queue=download", []),
          ("idempotency_key=\(later.idempotencyKey)", [later]),
          ("idempotency_key=\(UUID())", []),
        ] {
          let list: JobList = try await client.read(.get, "/jobs?\(query)")
          #expect(list.jobs.map(\.id) == expected.map(\.id), "\(query)")
          #expect(list.total == expected.count, "\(query)")
        }
      }
    }
  }

  @Test("why a job is canceled stands in its details, and in its history")
  func reason() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      try await fixture.test { client in
        let canceled: Job = try await client.read(
          .post, "/jobs/\(job.id)/cancel?reason=not%20needed%20any%20more", status: .accepted)
        #expect(canceled.details == "not needed any more")
        let history = try await fixture.store.events(of: job.id, after: 0, limit: 100)
        #expect(history.last?.reason == "not needed any more")
        let long = String(repeating: "x", count: 1001)
        let problem = try await client.problem(.post, "/jobs/\(job.id)/cancel?reason=\(long)")
        #expect(problem.status == 400)
        #expect(problem.detail.contains("reason"))
        let deleted: Job = try await client.read(
          .delete, "/jobs/\(job.id)?reason=tidy", status: .accepted)
        #expect(deleted.id == job.id)
      }
    }
  }

  @Test("a query that is wrong is refused")
  func badQueries() async throws {
    try await APIFixture.with { fixture in
      try await fixture.scheduled()
      try await fixture.test { client in
        for (query, culprit) in [
          ("page=0", "page"), ("page_size=1001", "page_size"), ("order=size", "order"),
          ("status=done", "done"), ("stats=waiting", "stats"), ("after=4&page=2", "page"),
          ("after=4&order=status", "created_at"),
          // A cursor by its looks, though no list of this store has it.
          ("after=elsewhere", "'elsewhere' is no place in a list of jobs"),
        ] {
          let problem = try await client.problem(.get, "/jobs?\(query)")
          #expect(problem.type == "/problems/invalid-parameter")
          #expect(problem.status == 400)
          #expect(problem.detail.contains(culprit))
        }
      }
    }
  }

  @Test("a job's log is what its worker reported of it")
  func log() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      try await fixture.test { client in
        let empty: JobLog = try await client.read(.get, "/jobs/\(job.id)/log")
        #expect(empty == JobLog(lines: [], dropped: 0))
        let worker = WorkerID(rawValue: "w")
        _ = try await fixture.store.register(WorkerRegistration(worker: worker, epoch: 1), at: .now)
        _ = try await fixture.store.claim(
          [
            ClaimRequest(
              worker: worker, epoch: 1, queue: job.queue, count: 1, types: [job.type])
          ], bytes: 1 << 20, at: .now)
        let lines = ["one", "two\u{0}"].map {
          JobLogSet.Line(time: Timestamp(milliseconds: 5), level: .warning, text: $0)
        }
        _ = try await fixture.store.report(
          [
            JobReport(
              job: job.id, attempt: 1, worker: worker,
              content: .log(JobLogSet(first: 3, lines: lines)))
          ], chances: [0], at: .now)
        let log: JobLog = try await client.read(.get, "/jobs/\(job.id)/log")
        #expect(log.dropped == 2)
        #expect(log.lines.map(\.text) == ["one", "two\u{0}"])
        let rest: JobLog = try await client.read(.get, "/jobs/\(job.id)/log?after=3")
        #expect(rest.lines.map(\.number) == [4])
        for query in ["after=-1", "after=x", "before=3"] {
          let problem = try await client.problem(.get, "/jobs/\(job.id)/log?\(query)")
          #expect(problem.type == "/problems/invalid-parameter")
        }
      }
    }
  }

  @Test("another tenant's job is not there, whatever is asked of it")
  func tenants() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled(tenant: UUID())
      try await fixture.test { client in
        for (method, path) in [
          (HTTPRequest.Method.get, ""), (.delete, ""), (.post, "/cancel"),
          (.get, "/wait?timeout=0"), (.get, "/log"),
        ] {
          let problem = try await client.problem(method, "/jobs/\(job.id)\(path)")
          #expect(problem.type == "/problems/not-found")
          #expect(problem.status == 404)
          #expect(problem.detail.contains(job.id.description))
        }
        let list: JobList = try await client.read(.get, "/jobs")
        #expect(list.total == 0)
        let byKey: JobList = try await client.read(
          .get, "/jobs?idempotency_key=\(job.idempotencyKey)")
        #expect(byKey.total == 0)
        let own: Job = try await client.read(.get, "/jobs/\(job.id)", tenant: job.tenantID)
        #expect(own.status == .waiting)
      }
    }
  }

  @Test("an id that is none is refused, and one of no job is not found")
  func ids() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        for (method, path) in [
          (HTTPRequest.Method.get, ""), (.delete, ""), (.post, "/cancel"), (.get, "/wait"),
        ] {
          let bad = try await client.problem(method, "/jobs/job-1\(path)")
          #expect(bad.type == "/problems/invalid-parameter")
          #expect(bad.status == 400)
          #expect(bad.detail.contains("'job-1'"))
          #expect(bad.detail.contains("UUID"))
          let id = JobID()
          let missing = try await client.problem(method, "/jobs/\(id)\(path)")
          #expect(missing.type == "/problems/not-found")
          #expect(missing.status == 404)
          #expect(missing.detail.contains(id.description))
        }
      }
    }
  }

  @Test("a waiting job is canceled at once, and again without harm")
  func cancelWaiting() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      try await fixture.test { client in
        for _ in 1...2 {
          let canceled: Job = try await client.read(
            .post, "/jobs/\(job.id)/cancel", status: .accepted)
          #expect(canceled.status == .canceled)
        }
      }
    }
  }

  @Test("a job that has ended cannot be suspended: 409, and it stays as it is")
  func suspendEnded() async throws {
    var registry = JobRegistry()
    try registry.register(
      JobType(
        group: try JobGroup("files", queue: .compute), name: "copy", params: NoParams(),
        suspendable: true
      ) { _, _ in })
    try await APIFixture.with(registry: registry) { fixture in
      let completed = try await fixture.scheduled("files:copy")
      try await fixture.complete(completed)
      let canceled = try await fixture.scheduled("files:copy")
      _ = try await fixture.service.cancel(canceled.id, tenant: .zero)
      let waiting = try await fixture.scheduled("files:copy")
      try await fixture.test { client in
        for (job, status) in [(completed, JobStatus.completed), (canceled, .canceled)] {
          let problem = try await client.problem(.post, "/jobs/\(job.id)/suspend")
          #expect(problem.type == "/problems/held")
          #expect(problem.status == 409)
          #expect(problem.detail.contains(status.rawValue))
          #expect(problem.jobID == job.id)
          let still: Job = try await client.read(.get, "/jobs/\(job.id)")
          #expect(still.status == status)
        }
        for _ in 1...2 {
          let suspended: Job = try await client.read(
            .post, "/jobs/\(waiting.id)/suspend", status: .accepted)
          #expect(suspended.status == .suspended)
        }
      }
    }
  }

  @Test("a reason is form-encoded, as every query: a plus is a space")
  func formEncodedReason() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      try await fixture.test { client in
        let canceled: Job = try await client.read(
          .post, "/jobs/\(job.id)/cancel?reason=no+longer+needed%2B", status: .accepted)
        #expect(canceled.details == "no longer needed+")
      }
    }
  }

  @Test("a running job is canceling, and stays locked for deletion until it has ended")
  func heldJob() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      try await fixture.start(job)
      try await fixture.test { client in
        let canceling: Job = try await client.read(
          .post, "/jobs/\(job.id)/cancel", status: .accepted)
        #expect(canceling.status == .canceling)
        let problem = try await client.problem(.delete, "/jobs/\(job.id)")
        #expect(problem.type == "/problems/held")
        #expect(problem.status == 409)
        #expect(problem.detail.contains("canceling"))
        #expect(problem.detail.contains("later"))
        #expect(problem.jobID == job.id)
        let still: Job = try await client.read(.get, "/jobs/\(job.id)")
        #expect(still.status == .canceling)
      }
    }
  }

  @Test("a job that is deleted is answered once more, and then is not there")
  func delete() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      try await fixture.test { client in
        let deleted: Job = try await client.read(.delete, "/jobs/\(job.id)", status: .accepted)
        #expect(deleted.id == job.id)
        let problem = try await client.problem(.get, "/jobs/\(job.id)")
        #expect(problem.type == "/problems/not-found")
        let again = try await client.problem(.delete, "/jobs/\(job.id)")
        #expect(again.type == "/problems/not-found")
      }
    }
  }
}
