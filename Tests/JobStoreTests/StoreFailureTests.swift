import Foundation
import JobStore
import Jobs
import Testing

@Suite(.timeLimit(.minutes(3))) struct StoreFailureTests {
  @Test(.enabled(if: WriteProtection.isPossible, "nothing here protects a file from the superuser"))
  func aReadOnlyFileIsCalledSo() async throws {
    let folder = try TemporaryFolder()
    let job = try sampleJob()
    let first = try StoreFixture.open(folder)
    _ = try await first.insert([job])
    try first.close()
    try WriteProtection.protecting(folder.file()) {
      let error = try #require(throws: StoreFileError.self) { try StoreFixture.open(folder) }
      guard case .store(.readOnly) = error else {
        Issue.record("\(error)")
        return
      }
    }
    let second = try StoreFixture.open(folder)
    #expect(try await second.job(job.id) == job)
    try second.close()
  }

  @Test(
    .enabled(if: WriteProtection.isPossible, "nothing here protects a folder from the superuser"))
  func aReadOnlyFolderIsCalledSo() throws {
    let folder = try TemporaryFolder()
    try WriteProtection.protecting(folder.path) {
      let error = try #require(throws: StoreFileError.self) { try StoreFixture.open(folder) }
      guard case .store(.readOnly) = error else {
        Issue.record("\(error)")
        return
      }
    }
    try StoreFixture.open(folder).close()
  }

  @Test func aFullDiskLosesNothingAndTheStoreGoesOnWhenThereIsSpace() async throws {
    try await withStore(options: StoreOptions(maximumPages: 400)) { fixture in
      let store = fixture.store
      let large = JSONValue.string(String(repeating: "x", count: 20_000))
      var stored: [Job] = []
      var refused: Job?
      while refused == nil, stored.count < 400 {
        let job = try sampleJob(params: ["large": large])
        do {
          #expect(try await store.insert([job]) == [.created(job)])
          stored.append(job)
        } catch StoreError.diskFull {
          refused = job
        }
      }
      let missing = try #require(refused, "the disk was never full")
      #expect(stored.count > 10)
      // Nothing of the refused one, all of the others; and reading goes on.
      #expect(try await store.job(missing.id) == nil)
      #expect(try await store.jobs(stored.map(\.id)).count == stored.count)
      #expect(try await store.list(JobQuery()).total == stored.count)
      #expect(fixture.log.transitions.map(\.job) == stored.map(\.id))
      // Deleting makes space, also when there is none.
      #expect(try await store.delete(stored[0].id, tenant: nil, at: .start) == .deleted(stored[0]))
      #expect(try await store.delete(stored[1].id, tenant: nil, at: .start) == .deleted(stored[1]))
      #expect(try await store.insert([missing]) == [.created(missing)])
    }
  }

  @Test func aFullDiskUnderLoadFailsWholeCallsOnly() async throws {
    try await withStore(options: StoreOptions(maximumPages: 300)) { fixture in
      let store = fixture.store
      let large = JSONValue.string(String(repeating: "x", count: 20_000))
      let outcomes = try await withThrowingTaskGroup(of: ([Job], Bool).self) { group in
        for _ in 0..<40 {
          let jobs = try (0..<3).map { _ in try sampleJob(params: ["large": large]) }
          group.addTask {
            do {
              _ = try await store.insert(jobs)
              return (jobs, true)
            } catch StoreError.diskFull {
              return (jobs, false)
            }
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(outcomes.contains { !$0.1 })
      for (jobs, wasStored) in outcomes {
        #expect(try await store.jobs(jobs.map(\.id)).count == (wasStored ? jobs.count : 0))
      }
      let acknowledged = outcomes.filter(\.1).flatMap(\.0)
      #expect(Set(fixture.log.transitions.map(\.job)) == Set(acknowledged.map(\.id)))
      let small = try sampleJob()
      #expect(try await store.insert([small]) == [.created(small)])
    }
  }
}
