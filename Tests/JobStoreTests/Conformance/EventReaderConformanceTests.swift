import Foundation
import Jobs
import Testing

/// What every implementation of ``JobStore`` has to keep of those who read the transition log for the server itself.
@Suite("Every store, of who reads its transition log for the server,", .timeLimit(.minutes(3)))
struct EventReaderConformanceTests {
  private func new(_ id: JobID = JobID()) throws -> NewJob {
    let job = Job(
      id: id, tenantID: .zero, userID: .zero, idempotencyKey: id.uuid,
      type: try JobTypeID("warren:webhook"), queue: .compute, params: ["a": 1], timeout: .zero,
      retry: .never, scheduledAt: .start, createdAt: .start)
    return NewJob(job, submitted: job.params)
  }

  @Test("knows how far each has come, and forgets one", arguments: Implementation.allCases)
  func places(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let store = subject.store
      #expect(try await store.place(ofReader: "a") == nil)
      _ = try await store.moveReader("a", to: 7, inserting: [], at: .start)
      _ = try await store.moveReader("b", to: 9, inserting: [], at: .start)
      _ = try await store.moveReader("a", to: 8, inserting: [], at: .start)
      #expect(try await store.place(ofReader: "a") == 8)
      _ = try await store.moveReader("a", to: nil, inserting: [], at: .start)
      #expect(try await store.place(ofReader: "a") == nil)
      #expect(try await store.place(ofReader: "b") == 9)
    }
  }

  @Test(
    "stores what a reader has made, once, and tells of it", arguments: Implementation.allCases)
  func insertions(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let jobs = [try new(), try new()]
      let first = try await subject.store.moveReader("a", to: 7, inserting: jobs, at: .start)
      #expect(first == jobs.map { .created($0.job) })
      #expect(subject.log.transitions.map(\.job) == jobs.map(\.job.id))
      #expect(subject.log.take().last?.due.map(\.count) == [2])
      let again = try await subject.store.moveReader(
        "a", to: 7, inserting: jobs + [try new()], at: .start)
      #expect(again.prefix(2) == jobs.map { .repeated($0.job) }[...])
      #expect(subject.log.transitions.count == 1)
    }
  }

  @Test("keeps the webhooks that a job names", arguments: Implementation.allCases)
  func names(_ implementation: Implementation) async throws {
    try await Subject.with(implementation) { subject in
      let named = try await subject.insert(1) { $0.webhooks = ["billing", "audit"] }[0]
      let plain = try await subject.insert(1)[0]
      #expect(try await subject.job(named.id).webhooks == ["billing", "audit"])
      #expect(try await subject.job(plain.id).webhooks == [])
      let listed = try await subject.store.list(JobQuery(tenant: .zero)).jobs
      #expect(Set(listed.map(\.webhooks)) == [["billing", "audit"], []])
      try await subject.register()
      _ = try await subject.claim(2)
      try await subject.report(named.id, .ended(.completed(result: "x")))
      #expect(try await subject.job(named.id).webhooks == ["billing", "audit"])
    }
  }
}
