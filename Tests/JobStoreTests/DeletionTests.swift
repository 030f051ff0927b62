import Foundation
import JobStore
import Jobs
import Testing

@Suite(.timeLimit(.minutes(3))) struct DeletionTests {
  @Test(arguments: JobStatus.allCases)
  func theStatusDecides(_ status: JobStatus) async throws {
    try await withStore { fixture in
      let job = try sampleJob().with { $0.status = status }
      _ = try await fixture.store.insert([job])
      fixture.recorder.clear()
      let deletion = try await fixture.store.delete(job.id)
      if status.isDeletable {
        #expect(deletion == .deleted(job))
        #expect(try await fixture.store.job(job.id) == nil)
        #expect(fixture.recorder.changes == [JobChange(job: job, event: nil, deleted: true)])
      } else {
        #expect(deletion == .refused(job))
        #expect(try await fixture.store.job(job.id) == job)
        #expect(fixture.recorder.commits.isEmpty)
      }
    }
  }

  @Test func anIDIsNeverUsedAgainButAKeyMayBe() async throws {
    try await withStore { fixture in
      let job = try sampleJob()
      _ = try await fixture.store.insert([job])
      _ = try await fixture.store.delete(job.id)
      #expect(try await fixture.store.insert([job]) == [.deleted])
      #expect(try await fixture.store.delete(job.id) == .unknown)
      let heir = try sampleJob(key: job.idempotencyKey, params: ["other": true])
      #expect(try await fixture.store.insert([heir]) == [.created(heir)])
    }
  }

  @Test func theLogOfADeletedJobStays() async throws {
    try await withStore { fixture in
      let job = try sampleJob()
      _ = try await fixture.store.insert([job])
      _ = try await fixture.store.delete(job.id)
      #expect(try await fixture.store.events(of: job.id).map(\.to) == [.waiting])
      #expect(try await fixture.store.list(JobQuery()).total == 0)
      #expect(try await fixture.store.counts().isEmpty)
    }
  }

  @Test func anotherTenantsJobIsUnknown() async throws {
    try await withStore { fixture in
      let job = try sampleJob(tenant: UUID(number: 1))
      _ = try await fixture.store.insert([job])
      #expect(try await fixture.store.delete(job.id, tenant: UUID(number: 2)) == .unknown)
      #expect(try await fixture.store.delete(job.id, tenant: UUID(number: 1)) == .deleted(job))
    }
  }
}
