import Foundation
import JobStore
import Jobs
import Testing

@Suite(.timeLimit(.minutes(3))) struct DispatchTests {
  @Test func whatIsDueComesLongestDueFirstThenByID() async throws {
    try await withStore { fixture in
      let ids = (0..<4).map { JobID(UUID(number: $0)) }
      let jobs = [
        try sampleJob(id: ids[3], scheduledAt: .start + 10),
        try sampleJob(id: ids[0], scheduledAt: .start + 20),
        try sampleJob(id: ids[2], scheduledAt: .start + 20),
        try sampleJob(id: ids[1], scheduledAt: .start + 20),
        try sampleJob(scheduledAt: .start + 21),
        try sampleJob(scheduledAt: .start).with { $0.status = .suspended },
        try sampleJob(scheduledAt: .start).with { $0.ticketIssued = true },
      ]
      _ = try await fixture.store.insert(jobs)
      let due = try await fixture.store.due(at: .start + 20, limit: 10)
      #expect(due.map(\.id) == [ids[3], ids[0], ids[1], ids[2]])
      #expect(
        try await fixture.store.due(at: .start + 20, limit: 2).map(\.id) == [ids[3], ids[0]])
      #expect(try await fixture.store.due(at: .start + 9, limit: 10).isEmpty)
      #expect(try await fixture.store.due(at: .start + 20, limit: -1).isEmpty)
    }
  }

  @Test func theNextIsTheFirstAfterNowThatHasNoTicket() async throws {
    try await withStore { fixture in
      #expect(try await fixture.store.nextDue(after: .start) == nil)
      _ = try await fixture.store.insert([
        try sampleJob(scheduledAt: .start),
        try sampleJob(scheduledAt: .start + 5).with { $0.ticketIssued = true },
        try sampleJob(scheduledAt: .start + 6).with { $0.status = .canceled },
        try sampleJob(scheduledAt: .start + 7),
        try sampleJob(scheduledAt: .start + 8),
      ])
      #expect(try await fixture.store.nextDue(after: .start) == .start + 7)
      #expect(try await fixture.store.nextDue(after: .start + 7) == .start + 8)
      #expect(try await fixture.store.nextDue(after: .start + 8) == nil)
    }
  }

  @Test func thousandsDueAtOnceAreAllIssuedInBatches() async throws {
    try await withStore { fixture in
      let jobs = try (0..<2000).map { _ in try sampleJob() }
      _ = try await fixture.store.insert(jobs)
      var issued: [JobID] = []
      while true {
        let batch = try await fixture.store.due(at: .start, limit: 300)
        if batch.isEmpty { break }
        _ = try await fixture.store.update(batch.map(\.id)) { _, job in
          job.noteTicket(afterAttempt: job.attempt)
        }
        issued += batch.map(\.id)
      }
      #expect(issued == jobs.map(\.id).sorted())
    }
  }

  @Test func forgottenTicketsAreThoseOfWaitingJobs() async throws {
    try await withStore { fixture in
      let waiting = try sampleJob().with { $0.ticketIssued = true }
      let running = try sampleJob().with {
        $0.status = .running
        $0.ticketIssued = true
      }
      let unissued = try sampleJob()
      _ = try await fixture.store.insert([waiting, running, unissued])
      #expect(try await fixture.store.forgetTickets(in: .compute, issuedBefore: .now) == 1)
      #expect(try await fixture.store.forgetTickets(in: .compute, issuedBefore: .now) == 0)
      #expect(
        Set(try await fixture.store.due(at: .start, limit: 9).map(\.id))
          == [waiting.id, unissued.id])
      #expect(try await fixture.store.job(running.id)?.ticketIssued == true)
    }
  }

  @Test func recoveryReadsAllJobsOfSomeStatusesInBatches() async throws {
    try await withStore { fixture in
      let statuses = JobStatus.allCases
      let jobs = try (0..<390).map { number in
        try sampleJob(id: JobID(UUID())).with { $0.status = statuses[number % statuses.count] }
      }
      let zero = try sampleJob(id: JobID(.zero))
      _ = try await fixture.store.insert(jobs + [zero])
      let wanted: Set<JobStatus> = [
        .initializing, .waiting, .resuming, .running, .locked, .canceling, .suspending,
      ]
      var found: [Job] = []
      while true {
        let batch = try await fixture.store.jobs(in: wanted, after: found.last?.id, limit: 50)
        if batch.isEmpty { break }
        #expect(batch.count <= 50)
        found += batch
      }
      let expected = (jobs + [zero]).filter { wanted.contains($0.status) }.sorted { $0.id < $1.id }
      #expect(found == expected)
      #expect(try await fixture.store.jobs(in: [], after: nil, limit: 50).isEmpty)
    }
  }
}
