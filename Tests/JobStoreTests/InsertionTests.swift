import Foundation
import GRDB
import Jobs
import Testing

@testable import JobStore

@Suite(.timeLimit(.minutes(3))) struct InsertionTests {
  @Test func aNewJobIsCreatedAndReadBackAsItWas() async throws {
    try await withStore { fixture in
      let job = try sampleJob(
        params: ["path": "ä/ö \"quoted\"\n", "size": 9_007_199_254_740_993, "ratio": 0.25]
      ).with {
        $0.status = .failed
        $0.startedAt = .start + 5
        $0.eta = .start + 9
        $0.lockedBy = JobID()
        $0.progress = 12.5
        $0.progressDetails = "half of a quarter"
        $0.details = "details"
        $0.retries = 2
        $0.error = "broken"
        $0.result = ["digest": "abc", "none": .null]
        $0.attempt = 3
        $0.worker = WorkerID(rawValue: "host-1")
        $0.claim = UUID()
        $0.lostWorkers = 1
        $0.ticketIssued = true
      }
      #expect(try await fixture.store.insert([job]) == [.created(job)])
      #expect(try await fixture.store.job(job.id) == job)
    }
  }

  @Test func theSameKeyAndContentIsARepetition() async throws {
    try await withStore { fixture in
      let job = try sampleJob(params: ["a": 1, "b": 2])
      let again = try sampleJob(key: job.idempotencyKey, params: ["b": 2, "a": 1])
      #expect(
        try await fixture.store.insert([job, again, again])
          == [.created(job), .repeated(job), .repeated(job)])
      #expect(try await fixture.store.job(again.id) == nil)
      #expect(fixture.recorder.changes.map(\.job) == [job])
    }
  }

  @Test func theSameKeyWithOtherContentIsAConflict() async throws {
    try await withStore { fixture in
      let job = try sampleJob(params: ["a": 1])
      let otherParams = try sampleJob(key: job.idempotencyKey, params: ["a": 2])
      let otherType = try sampleJob(
        key: job.idempotencyKey, type: "files:words", params: ["a": 1])
      _ = try await fixture.store.insert([job])
      #expect(
        try await fixture.store.insert([otherParams, otherType])
          == [.conflict(existing: job), .conflict(existing: job)])
    }
  }

  @Test func aKeyBelongsToItsTenant() async throws {
    try await withStore { fixture in
      let job = try sampleJob(tenant: UUID(number: 1))
      let other = try sampleJob(tenant: UUID(number: 2), key: job.idempotencyKey, params: ["a": 2])
      #expect(try await fixture.store.insert([job, other]) == [.created(job), .created(other)])
      for wanted in [job, other] {
        #expect(
          try await fixture.store.job(
            idempotencyKey: job.idempotencyKey, tenant: wanted.tenantID) == wanted)
      }
      #expect(
        try await fixture.store.job(
          idempotencyKey: job.idempotencyKey, tenant: UUID(number: 3)) == nil)
    }
  }

  @Test func theSameIDIsARepetitionOnlyWithTheSameContentKeyAndTenant() async throws {
    try await withStore { fixture in
      let job = try sampleJob(tenant: UUID(number: 1))
      _ = try await fixture.store.insert([job])
      #expect(try await fixture.store.insert([job]) == [.repeated(job)])
      let others = [
        try sampleJob(id: job.id, tenant: UUID(number: 2), key: job.idempotencyKey),
        try sampleJob(id: job.id, tenant: job.tenantID),
        try sampleJob(id: job.id, tenant: job.tenantID, key: job.idempotencyKey, params: [:]),
      ]
      for other in others {
        #expect(try await fixture.store.insert([other]) == [.conflict(existing: job)])
      }
    }
  }

  @Test func fiftyAtOnceWithOneKeyMakeOneJob() async throws {
    try await withStore { fixture in
      let key = UUID()
      let outcomes = try await withThrowingTaskGroup(of: Insertion.self) { group in
        for _ in 0..<50 {
          let job = try sampleJob(key: key)
          group.addTask { try await fixture.store.insert([job])[0] }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      let created = outcomes.compactMap { if case .created(let job) = $0 { job } else { nil } }
      let repeated = outcomes.compactMap { if case .repeated(let job) = $0 { job } else { nil } }
      #expect(created.count == 1)
      #expect(repeated.count == 49)
      #expect(Set(repeated) == Set(created))
      #expect(fixture.recorder.changes.count == 1)
      #expect(try await fixture.store.list(JobQuery()).total == 1)
    }
  }

  @Test func aFailingJobTakesItsWholeCallBack() async throws {
    try await withStore { fixture in
      let good = try sampleJob()
      let bad = try sampleJob().with { $0.progress = 150 }
      await #expect(throws: StoreError.self) { try await fixture.store.insert([good, bad]) }
      #expect(try await fixture.store.job(good.id) == nil)
      #expect(fixture.recorder.commits.isEmpty)
    }
  }

  @Test func aNulInATextDoesNotCutIt() async throws {
    try await withStore { fixture in
      let job = try sampleJob(params: ["text": "a\0b"]).with {
        $0.status = .failed
        $0.error = "before\0after"
      }
      _ = try await fixture.store.insert([job])
      let stored = try #require(try await fixture.store.job(job.id))
      #expect(stored.error == "before\u{FFFD}after")
      #expect(stored.params == job.params)
    }
  }

  @Test func aRepetitionIsToldByWhatWasSubmittedNotByWhatTheDefaultsMadeOfIt() async throws {
    try await withStore { fixture in
      let job = try sampleJob(params: ["path": "a", "depth": 3])
      let first = NewJob(job, submitted: ["path": "a"])
      #expect(try await fixture.store.insert([first]) == [.created(job)])
      // The type's default has changed since.
      let again = try sampleJob(key: job.idempotencyKey, params: ["path": "a", "depth": 4])
      #expect(
        try await fixture.store.insert([NewJob(again, submitted: ["path": "a"])])
          == [.repeated(job)])
      // The same values, but asked for.
      let spelled = try sampleJob(key: job.idempotencyKey, params: job.params)
      #expect(
        try await fixture.store.insert([NewJob(spelled, submitted: job.params)])
          == [.conflict(existing: job)])
    }
  }

  @Test func aJobFromBeforeSubmissionsWereKeptIsComparedByItsParams() async throws {
    try await withStore { fixture in
      let job = try sampleJob(params: ["path": "a", "depth": 3])
      _ = try await fixture.store.insert([job])
      try await fixture.store.writes.write { scope in
        try scope.db.execute(sql: "UPDATE job_payloads SET submitted = NULL")
      }
      let again = try sampleJob(key: job.idempotencyKey, params: job.params)
      #expect(
        try await fixture.store.insert([NewJob(again, submitted: ["path": "a"])])
          == [.repeated(job)])
    }
  }

  @Test func whoAsksAgainIsToldOfTheEndAsWell() async throws {
    try await withStore { fixture in
      let (here, there) = (JobReply(address: "here"), JobReply(address: "there"))
      let job = try sampleJob().with { $0.replies = [here] }
      _ = try await fixture.store.insert([job])
      let again = try sampleJob(key: job.idempotencyKey).with { $0.replies = [there] }
      _ = try await fixture.store.insert([again, again])
      #expect(try await fixture.store.job(job.id)?.replies == [here, there])
      _ = try await fixture.store.update([job.id]) { _, job in job.cancel(at: .start) }
      _ = try await fixture.store.update([job.id]) { _, job in job.noteReplies([here, there]) }
      #expect(try await fixture.store.pendingReplies(limit: 9).isEmpty)
      // It has ended: the answer is due at once.
      _ = try await fixture.store.insert([again])
      let pending = try await fixture.store.pendingReplies(limit: 9)
      #expect(pending.map(\.job.replies) == [[there]])
      #expect(fixture.recorder.changes.last?.job.replies == [there])
    }
  }

  @Test func deletingAsksItsConditionInTheSameTransaction() async throws {
    try await withStore { fixture in
      let job = try sampleJob()
      _ = try await fixture.store.insert([job])
      let refused = try await fixture.store.delete(job.id) { $0.status == .suspended }
      #expect(refused == .refused(job))
      #expect(try await fixture.store.delete(job.id) { $0.status == .waiting } == .deleted(job))
    }
  }
}
