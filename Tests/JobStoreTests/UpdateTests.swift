import Foundation
import JobStore
import Jobs
import Testing

@Suite(.timeLimit(.minutes(3))) struct UpdateTests {
  private let worker = WorkerID(rawValue: "host-1")

  @Test func answersComeInTheOrderOfIDsAndAreNilForUnknownJobs() async throws {
    try await withStore { fixture in
      let jobs = try (0..<3).map { _ in try sampleJob() }
      _ = try await fixture.store.insert(jobs)
      let ids = [jobs[2].id, JobID(), jobs[0].id]
      let answers = try await fixture.store.update(ids) { index, job in "\(index) \(job.id)" }
      #expect(answers == ["0 \(jobs[2].id)", nil, "2 \(jobs[0].id)"])
    }
  }

  @Test func everyFieldIsWritten() async throws {
    try await withStore { fixture in
      let job = try sampleJob()
      _ = try await fixture.store.insert([job])
      let wanted = job.with {
        $0.status = .running
        $0.scheduledAt = .start + 1
        $0.updatedAt = .start + 2
        $0.startedAt = .start + 3
        $0.attemptStartedAt = .start + 4
        $0.eta = .start + 4
        $0.lockedBy = JobID()
        $0.progress = 50
        $0.progressDetails = "p"
        $0.details = "d"
        $0.retries = 1
        $0.error = "e"
        $0.result = ["r": 1]
        $0.attempt = 2
        $0.worker = worker
        $0.claim = UUID()
        $0.lostWorkers = 3
        $0.ticketIssued = true
      }
      _ = try await fixture.store.update([job.id]) { _, job in job = wanted }
      #expect(try await fixture.store.job(job.id) == wanted)
      // The narrow writes: progress, ticket.
      let progressed = wanted.with {
        $0.progress = 75
        $0.progressDetails = "more"
        $0.updatedAt = .start + 10
        $0.eta = nil
        $0.ticketIssued = false
      }
      _ = try await fixture.store.update([job.id]) { _, job in job = progressed }
      #expect(try await fixture.store.job(job.id) == progressed)
      _ = try await fixture.store.update([job.id]) { _, job in job.ticketIssued = true }
      #expect(
        try await fixture.store.job(job.id) == progressed.with { $0.ticketIssued = true })
    }
  }

  @Test func aJobThatAppearsTwiceComesWithItsFirstChange() async throws {
    try await withStore { fixture in
      let job = try sampleJob()
      _ = try await fixture.store.insert([job])
      fixture.recorder.clear()
      let answers = try await fixture.store.update([job.id, job.id, job.id]) { _, job in
        job.attempt += 1
        return job.attempt
      }
      #expect(answers == [1, 2, 3])
      #expect(try await fixture.store.job(job.id)?.attempt == 3)
      #expect(fixture.recorder.changes.map(\.job.attempt) == [1, 2, 3])
    }
  }

  @Test func anotherTenantsJobIsNotThere() async throws {
    try await withStore { fixture in
      let job = try sampleJob(tenant: UUID(number: 1))
      _ = try await fixture.store.insert([job])
      let answers = try await fixture.store.update([job.id], tenant: UUID(number: 2)) { _, job in
        job.attempt = 9
      }
      #expect(answers.count == 1 && answers[0] == nil)
      #expect(try await fixture.store.job(job.id) == job)
      #expect(try await fixture.store.job(job.id, tenant: UUID(number: 2)) == nil)
      #expect(try await fixture.store.job(job.id, tenant: UUID(number: 1)) == job)
    }
  }

  @Test func whatChangesNothingIsToldToNoOne() async throws {
    try await withStore { fixture in
      let job = try sampleJob()
      _ = try await fixture.store.insert([job])
      fixture.recorder.clear()
      _ = try await fixture.store.update([job.id]) { _, job in job.status }
      #expect(fixture.recorder.commits.isEmpty)
      _ = try await fixture.store.update([job.id]) { _, job in
        job.noteTicket(afterAttempt: job.attempt)
      }
      #expect(fixture.recorder.changes.map(\.event) == [nil])
      #expect(fixture.recorder.changes.map(\.job.ticketIssued) == [true])
    }
  }

  @Test func fiftyClaimsAtOnceGrantOne() async throws {
    try await withStore { fixture in
      let job = try sampleJob()
      _ = try await fixture.store.insert([job])
      let decisions = try await withThrowingTaskGroup(of: Job.ClaimDecision?.self) { group in
        for number in 0..<50 {
          group.addTask {
            try await fixture.store.update([job.id]) { _, job in
              job.claim(
                by: WorkerID(rawValue: "host-\(number)"), claim: UUID(), holderIsGone: nil,
                at: .start, poisonLimit: 5)
            }[0]
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      let granted = decisions.filter { if case .run = $0 { true } else { false } }
      #expect(granted.count == 1)
      #expect(try await fixture.store.job(job.id)?.attempt == 1)
    }
  }

  @Test func aFailingUpdateLeavesNothing() async throws {
    try await withStore { fixture in
      let jobs = try (0..<2).map { _ in try sampleJob() }
      _ = try await fixture.store.insert(jobs)
      fixture.recorder.clear()
      await #expect(throws: StoreError.self) {
        _ = try await fixture.store.update(jobs.map(\.id)) { index, job in
          job.status = .canceled
          if index == 1 { job.progress = -1 }
        }
      }
      for job in jobs {
        #expect(try await fixture.store.job(job.id) == job)
        #expect(try await fixture.store.events(of: job.id).count == 1)
      }
      #expect(fixture.recorder.commits.isEmpty)
    }
  }
}
