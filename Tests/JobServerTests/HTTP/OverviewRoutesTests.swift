import Foundation
import GRDB
import HTTPTypes
import HummingbirdTesting
import Jobs
import Testing

@testable import JobServer
@testable import JobStore

@Suite("/queues, /workers, /counters, /healthz and /readyz", .timeLimit(.minutes(2)))
struct OverviewRoutesTests {
  @Test("each queue is counted: waiting, for later, running")
  func queues() async throws {
    try await APIFixture.with { fixture in
      for _ in 0..<3 { try await fixture.scheduled() }
      try await fixture.scheduled(at: .now + .seconds(3600))
      try await fixture.start(try await fixture.scheduled())
      try await fixture.complete(try await fixture.scheduled())
      fixture.announce("w1", queues: [.compute, .download])
      fixture.announce("w2", queues: [.compute])
      try await fixture.test { client in
        let queues = try await client.read(.get, "/queues", as: QueueList.self).queues
        #expect(queues.map(\.name.rawValue) == ["compute", "download", "maintenance"])
        let compute = try #require(queues.first)
        #expect(compute.capacity == 1)
        #expect(compute.waiting == 3)
        #expect(compute.scheduled == 1)
        #expect(compute.running == 1)
        #expect(compute.workers == 2)
        #expect(queues.map(\.workers) == [2, 1, 0])
        #expect(queues.map(\.waiting) == [3, 0, 0])
      }
    }
  }

  @Test("what was set aside is counted")
  func counters() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let before = try await client.read(.get, "/counters", as: [String: Int].self)
        #expect(before.count == 17)
        #expect(before.values.allSatisfy { $0 == 0 })
        let job = try await fixture.scheduled()
        try await fixture.store.writes.write { transaction in
          try transaction.db.execute(sql: "UPDATE payload SET params = CAST('not json' AS BLOB)")
        }
        #expect(try await client.send(.get, "/jobs?status=waiting").status == .ok)
        #expect(try await fixture.store.job(job.id)?.status == .failed)
        let after = try await client.read(.get, "/counters", as: [String: Int].self)
        #expect(after["rows_set_aside"] == 1)
        #expect(after["rows_skipped"] == 1)
      }
    }
  }

  @Test("each worker is listed with what it runs")
  func workers() async throws {
    try await APIFixture.with { fixture in
      fixture.announce("w1", queues: [.compute])
      fixture.announce("w2", queues: [.download])
      for _ in 0..<2 {
        try await fixture.start(
          try await fixture.scheduled(), worker: WorkerID(rawValue: "w1"))
      }
      try await fixture.test { client in
        let workers = try await client.read(.get, "/workers", as: WorkerList.self).workers
        #expect(workers.map(\.id.rawValue) == ["w1", "w2"])
        #expect(workers.map(\.running) == [2, 0])
        #expect(workers.first?.queues.map(\.name) == [.compute])
        #expect(workers.first?.host == "host")
      }
    }
  }

  @Test("a worker that cannot work says why, and a callback that does not end counts")
  func workersAtFault() async throws {
    try await APIFixture.with { fixture in
      let stuck = try [true, false].map { isSettled in
        StuckAttempt(
          job: JobID(), attempt: 2, type: try JobTypeID("test:job"), queue: .compute, since: .now,
          isSettled: isSettled)
      }
      let outage = WorkerOutage(reason: "no space left", since: .now)
      fixture.announce("w1", queues: [.compute], outage: outage, stuck: stuck)
      try await fixture.test { client in
        let worker = try #require(
          try await client.read(.get, "/workers", as: WorkerList.self).workers.first)
        #expect(worker.outage == outage)
        #expect(worker.stuck == stuck)
        // The other one is a job of the store, if it is running.
        #expect(worker.running == 1)
        let queues = try await client.read(.get, "/queues", as: QueueList.self).queues
        #expect(queues.map(\.running) == [1, 0, 0])
      }
    }
  }

  @Test("nothing to list is an empty list")
  func noWorkers() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let list = try await client.read(.get, "/workers", as: WorkerList.self)
        #expect(list.workers.isEmpty)
      }
    }
  }

  @Test("neither takes a query", arguments: ["/queues", "/workers"])
  func queries(path: String) async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let problem = try await client.problem(.get, "\(path)?page=1")
        #expect(problem.type == "/problems/invalid-parameter")
        #expect(problem.detail.contains("'page'"))
      }
    }
  }

  @Test("a process that serves is healthy, whatever else is missing")
  func health() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let answer = try await client.read(.get, "/healthz", as: [String: String].self)
        #expect(answer == ["status": "ok"])
      }
    }
  }

  @Test("without the broker it is not ready, and says so")
  func notReady() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let response = try await client.send(.get, "/readyz")
        #expect(response.headers[.retryAfter] == "2")
        let problem = try response.problem()
        #expect(problem.type == "/problems/not-ready")
        #expect(problem.status == 503)
        #expect(problem.detail.contains("publishing"))
        #expect(!problem.detail.contains("store"))
      }
    }
  }

  @Test("with everything there it is ready, and otherwise everything that is missing is named")
  func readiness() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test(readiness: [.store(fixture.store)]) { client in
        let answer = try await client.read(.get, "/readyz", as: [String: String].self)
        #expect(answer == ["status": "ready"])
      }
      let faults = [ReadinessCheck { "one" }, ReadinessCheck { nil }, ReadinessCheck { "three" }]
      try await fixture.test(readiness: faults) { client in
        let problem = try await client.problem(.get, "/readyz")
        #expect(problem.detail == "one; three")
      }
    }
  }
}

extension APIFixture {
  fileprivate func announce(
    _ id: String, queues: [JobQueueName], outage: WorkerOutage? = nil, stuck: [StuckAttempt]? = nil
  ) {
    service.directory.add(
      WorkerAnnouncement(
        worker: WorkerID(rawValue: id), host: "host", processID: 7, startedAt: .now,
        queues: queues.map { JobQueue(name: $0, capacity: 2) }, groups: [], types: [],
        outage: outage, stuck: stuck))
  }
}
