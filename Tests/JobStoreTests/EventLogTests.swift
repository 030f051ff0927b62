import Foundation
import GRDB
import Jobs
import Testing

@testable import JobStore

@Suite(.timeLimit(.minutes(3))) struct EventLogTests {
  private let worker = WorkerID(rawValue: "host-1")

  private func claim(_ job: inout Job, by worker: WorkerID, at now: Timestamp = .start) {
    _ = job.claim(by: worker, claim: UUID(), holderIsGone: true, at: now, poisonLimit: 5)
  }

  @Test func aLifeIsToldInOrder() async throws {
    try await withStore { fixture in
      let store = fixture.store
      let job = try sampleJob(maxRetries: 1)
      let worker = worker
      let progress = try JobProgress(10)
      _ = try await store.insert([job])
      _ = try await store.update([job.id]) { _, job in
        claim(&job, by: worker, at: .start + 1)
      }
      _ = try await store.update([job.id, job.id]) { index, job in
        job.apply(
          JobReport(
            job: job.id, attempt: 1, worker: worker,
            content: index == 0
              ? .progress(progress)
              : .ended(.failed(error: "broken", permanent: false))),
          at: .start + 2, chance: 0.5)
      }
      _ = try await store.update([job.id]) { _, job in
        job.cancel(at: .start + 3, reason: "enough")
      }
      let events = try await store.events(of: job.id)
      #expect(events.map(\.from) == [nil, .waiting, .running, .waiting])
      #expect(events.map(\.to) == [.waiting, .running, .waiting, .canceled])
      #expect(events.map(\.at) == [0, 1, 2, 3].map { Timestamp.start + $0 })
      #expect(events.map(\.attempt) == [0, 1, 1, 1])
      #expect(events.map(\.worker) == [nil, worker, worker, worker])
      #expect(events.map(\.reason) == [nil, nil, "retry 1 of 1", "enough"])
      #expect(events.map(\.sequence) == events.map(\.sequence).sorted())
      #expect(fixture.recorder.changes.compactMap(\.event) == events)
      // The progress is told, but is no transition.
      #expect(
        fixture.recorder.changes.map { $0.event == nil } == [false, false, true, false, false])
    }
  }

  @Test func theLogIsReadInPages() async throws {
    try await withStore { fixture in
      let store = fixture.store
      let jobs = try (0..<10).map { _ in try sampleJob() }
      _ = try await store.insert(jobs)
      let first = try await store.events(after: 0, limit: 4)
      let rest = try await store.events(after: try #require(first.last).sequence, limit: 100)
      #expect((first + rest).map(\.job) == jobs.map(\.id))
      #expect(try await store.events(after: 0, limit: -1).isEmpty)
      _ = try await store.update([jobs[3].id]) { _, job in job.cancel(at: .start) }
      let created = try #require(try await store.events(of: jobs[3].id, limit: 1).first)
      #expect(created.to == .waiting)
      #expect(
        try await store.events(of: jobs[3].id, after: created.sequence).map(\.to) == [.canceled])
    }
  }

  @Test func aRowOfTheLogCannotBeChanged() async throws {
    try await withStore { fixture in
      _ = try await fixture.store.insert([try sampleJob()])
      await #expect(throws: StoreError.self) {
        try await fixture.store.writes.write { scope in
          try scope.db.execute(sql: "UPDATE job_events SET to_status = 'completed'")
        }
      }
    }
  }

  @Test func aTakeoverIsToldAsTwoSteps() throws {
    let other = WorkerID(rawValue: "host-2")
    let before = try sampleJob().with { claim(&$0, by: worker) }
    let after = before.with { claim(&$0, by: other) }
    let steps = TransitionStep.steps(from: before, to: after)
    #expect(steps.map(\.from) == [.running, .waiting])
    #expect(steps.map(\.to) == [.waiting, .running])
    #expect(steps.map(\.attempt) == [1, 2])
    #expect(steps.map(\.worker) == [worker, other])
    #expect(steps[0].reason == "taken over: its worker host-1 is gone")
  }

  @Test func aLockedJobCompletesThroughRunning() throws {
    let before = try sampleJob().with {
      claim(&$0, by: worker)
      $0.status = .locked
    }
    let after = before.with { $0.status = .completed }
    #expect(TransitionStep.steps(from: before, to: after).map(\.to) == [.running, .completed])
  }

  @Test func everyStepThatTheStateMachineAllowsIsToldAsItIs() throws {
    let job = try sampleJob()
    for from in JobStatus.allCases {
      for to in from.successors {
        let steps = TransitionStep.steps(
          from: job.with { $0.status = from }, to: job.with { $0.status = to })
        #expect(steps.map(\.from) == [from])
        #expect(steps.map(\.to) == [to])
      }
    }
  }
}
