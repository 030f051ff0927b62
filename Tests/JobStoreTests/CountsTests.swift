import Foundation
import JobStore
import Jobs
import Testing

@Suite(.timeLimit(.minutes(3))) struct CountsTests {
  @Test func theyFollowInsertsTransitionsAndDeletions() async throws {
    try await withStore { fixture in
      let store = fixture.store
      let jobs = try (0..<5).map { number in
        try sampleJob(
          tenant: UUID(number: UInt8(number)), queue: number < 3 ? .compute : .download)
      }
      #expect(try await store.counts().isEmpty)
      _ = try await store.insert(jobs)
      #expect(
        try await store.counts() == [
          QueueCount(queue: .compute, status: .waiting, count: 3),
          QueueCount(queue: .download, status: .waiting, count: 2),
        ])
      _ = try await store.update([jobs[0].id, jobs[3].id]) { _, job in
        job.cancel(at: .start)
      }
      _ = try await store.delete(jobs[1].id)
      _ = try await store.insert(jobs)  // Repetitions count for nothing.
      #expect(
        try await store.counts() == [
          QueueCount(queue: .compute, status: .canceled, count: 1),
          QueueCount(queue: .compute, status: .waiting, count: 1),
          QueueCount(queue: .download, status: .canceled, count: 1),
          QueueCount(queue: .download, status: .waiting, count: 1),
        ])
    }
  }

  @Test func scheduledAreThoseForLater() async throws {
    try await withStore { fixture in
      _ = try await fixture.store.insert([
        try sampleJob(scheduledAt: .start),
        try sampleJob(scheduledAt: .start + 1),
        try sampleJob(scheduledAt: .start + 2),
        try sampleJob(queue: .download, scheduledAt: .start + 3),
        try sampleJob(scheduledAt: .start + 4).with { $0.status = .suspended },
      ])
      let counts = try await fixture.store.scheduledCounts(after: .start)
      #expect(counts == [.compute: 2, .download: 1])
      #expect(try await fixture.store.scheduledCounts(after: .start + 3).isEmpty)
    }
  }

  @Test func heldAreThoseThatAWorkerHas() async throws {
    try await withStore { fixture in
      let jobs = try JobStatus.allCases.flatMap { status in
        try ["a", "b"].map { name in
          try sampleJob().with {
            $0.status = status
            $0.worker = WorkerID(rawValue: name)
          }
        }
      }
      _ = try await fixture.store.insert(jobs + [try sampleJob()])
      #expect(
        try await fixture.store.heldCounts()
          == [WorkerID(rawValue: "a"): 4, WorkerID(rawValue: "b"): 4])
    }
  }
}
