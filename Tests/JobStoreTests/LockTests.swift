import Foundation
import GRDB
import Jobs
import Testing

@testable import JobStore

@Suite(.timeLimit(.minutes(3))) struct LockTests {
  private let worker = WorkerID(rawValue: "w")

  private func running(_ number: UInt8) throws -> Job {
    try sampleJob(id: JobID(UUID(number: number))).with {
      $0.status = .running
      $0.attempt = 1
      $0.worker = worker
    }
  }

  private func lock(_ job: Job, by other: JobID?) -> LockRequest {
    LockRequest(job: job.id, attempt: 1, worker: worker, by: other)
  }

  @Test(arguments: [1, 2, 5, 50])
  func aChainThatWouldCloseIsRefusedByName(_ length: Int) async throws {
    try await withStore { fixture in
      let jobs = try (1...length).map { try running(UInt8($0)) }
      _ = try await fixture.store.insert(jobs)
      for (job, next) in zip(jobs, jobs.dropFirst()) {
        #expect(try await fixture.store.lock([lock(job, by: next.id)], at: .start) == [.done])
      }
      let last = jobs[length - 1]
      #expect(
        try await fixture.store.lock([lock(last, by: jobs[0].id)], at: .start)
          == [.refused(.cycle([last.id] + jobs.map(\.id)))])
      #expect(try await fixture.store.job(last.id)?.status == .running)
    }
  }

  @Test func anEndFreesAllThatWaitForIt() async throws {
    try await withStore { fixture in
      let jobs = try (1...4).map { try running(UInt8($0)) }
      _ = try await fixture.store.insert(jobs)
      for job in jobs.dropFirst() {
        _ = try await fixture.store.lock([lock(job, by: jobs[0].id)], at: .start)
      }
      let (report, id) = (
        JobReport(
          job: jobs[0].id, attempt: 1, worker: worker, content: .ended(.completed(result: nil))),
        jobs[0].id
      )
      _ = try await fixture.store.update([id]) { _, job in
        job.apply(report, at: .start, chance: 0)
      }
      for job in jobs.dropFirst() {
        let freed = try #require(try await fixture.store.job(job.id))
        #expect(freed.status == .running)
        #expect(freed.lockedBy == nil)
        #expect(
          try await fixture.store.events(of: job.id).map(\.to) == [.running, .locked, .running])
      }
    }
  }

  @Test func anotherTenantsJobAndAForeignAttemptAreRefused() async throws {
    try await withStore { fixture in
      let own = try running(1)
      let foreign = try sampleJob(tenant: UUID(number: 9))
      _ = try await fixture.store.insert([own, foreign])
      #expect(
        try await fixture.store.lock([lock(own, by: foreign.id)], at: .start)
          == [.refused(.unknown(foreign.id))])
      let late = LockRequest(job: own.id, attempt: 2, worker: worker, by: nil)
      #expect(try await fixture.store.lock([late], at: .start) == [.refused(.fenced)])
    }
  }

  @Test func whoIsLockedIsFoundByAnIndex() async throws {
    try await withStore { fixture in
      try await fixture.store.read { db in
        let plan = try String.fetchAll(
          db, sql: "EXPLAIN QUERY PLAN \(LockStatements.selectLocked)", arguments: [Data()],
          adapter: SuffixRowAdapter(fromIndex: 3))
        #expect(plan.contains { $0.contains("jobs_locked") }, "\(plan)")
      }
    }
  }

  @Test func whoIsToBeToldIsRememberedUntilTheyAre() async throws {
    try await withStore { fixture in
      let reply = JobReply(address: "somewhere", correlationID: "7")
      let job = try running(1).with { $0.replies = [reply] }
      _ = try await fixture.store.insert([job, try running(2)])
      #expect(try await fixture.store.pendingReplies(limit: 9).isEmpty)
      let report = JobReport(
        job: job.id, attempt: 1, worker: worker, content: .ended(.completed(result: nil)))
      _ = try await fixture.store.update([job.id]) { _, job in
        job.apply(report, at: .start, chance: 0)
      }
      #expect(try await fixture.store.pendingReplies(limit: 9).map(\.job.replies) == [[reply]])
      _ = try await fixture.store.update([job.id]) { _, job in job.noteReplies([reply]) }
      #expect(try await fixture.store.pendingReplies(limit: 9).isEmpty)
    }
  }

  @Test func aSnapshotIsKeptWithTheJobAndLeftOutOfLists() async throws {
    try await withStore { fixture in
      let job = try running(1)
      _ = try await fixture.store.insert([job])
      _ = try await fixture.store.update([job.id]) { _, job in job.snapshot = ["page": 3] }
      #expect(try await fixture.store.job(job.id)?.snapshot == ["page": 3])
      #expect(try await fixture.store.list(JobQuery()).jobs.first?.snapshot == nil)
      _ = try await fixture.store.update([job.id]) { _, job in job.progress = 50 }
      #expect(try await fixture.store.job(job.id)?.snapshot == ["page": 3])
    }
  }
}
