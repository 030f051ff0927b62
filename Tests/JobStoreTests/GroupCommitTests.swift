import Foundation
import GRDB
import Jobs
import Testing

@testable import JobStore

@Suite(.timeLimit(.minutes(3))) struct GroupCommitTests {
  /// Waits until so many calls stand in line, for ten seconds at most.
  private func waitForLine(of count: Int, at store: StatusStore) async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while store.pendingWrites < count {
      try #require(ContinuousClock.now < deadline, "\(store.pendingWrites) of \(count) wait")
      await Task.yield()
    }
  }

  /// Keeps the writer busy until the gate opens, lets the calls line up behind it, and opens it.
  private func together<Answer: Sendable>(
    _ count: Int, on fixture: StoreFixture,
    _ call: @escaping @Sendable (Int) async throws -> Answer
  ) async throws -> [Result<Answer, any Error>] {
    let gate = Gate()
    let blocker = try sampleJob()
    _ = try await fixture.store.insert([blocker])
    async let blocked = fixture.store.update([blocker.id]) { _, _ in gate.pass() }
    // A call that is taken by the writer stands no longer in line.
    await gate.waitForArrival()
    let answers = try await withThrowingTaskGroup(of: (Int, Result<Answer, any Error>).self) {
      group in
      for index in 0..<count {
        group.addTask {
          do { return (index, .success(try await call(index))) } catch {
            return (index, .failure(error))
          }
        }
      }
      defer { gate.open() }
      try await waitForLine(of: count, at: fixture.store)
      fixture.recorder.clear()
      gate.open()
      return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
    }
    _ = try await blocked
    return answers.sorted { $0.key < $1.key }.map(\.value)
  }

  @Test func callsThatArriveMeanwhileShareOneCommit() async throws {
    try await withStore { fixture in
      let jobs = try (0..<40).map { _ in try sampleJob() }
      let store = fixture.store
      let answers = try await together(jobs.count, on: fixture) { index in
        try await store.insert([jobs[index]])[0]
      }
      for (answer, job) in zip(answers, jobs) { #expect(try answer.get() == .created(job)) }
      #expect(fixture.recorder.commits.count == 1)
      #expect(Set(fixture.recorder.changes.map(\.job)) == Set(jobs))
    }
  }

  @Test func aGroupIsBounded() async throws {
    var options = StoreOptions()
    options.groupLimit = 10
    try await withStore(options: options) { fixture in
      let jobs = try (0..<60).map { _ in try sampleJob() }
      let store = fixture.store
      // Twenty calls with three jobs each: three calls fit into a group.
      _ = try await together(20, on: fixture) { index in
        try await store.insert(Array(jobs[index * 3..<index * 3 + 3]))
      }
      #expect(fixture.recorder.commits.map(\.count) == [9, 9, 9, 9, 9, 9, 6])
      // One call alone is never divided.
      let many = try (0..<50).map { _ in try sampleJob() }
      fixture.recorder.clear()
      _ = try await store.insert(many)
      #expect(fixture.recorder.commits.map(\.count) == [50])
    }
  }

  @Test func aFailingPieceFailsOnlyItsCaller() async throws {
    try await withStore { fixture in
      let jobs = try (0..<9).map { index in
        try sampleJob().with { if index % 3 == 1 { $0.progress = 150 } }
      }
      let store = fixture.store
      let answers = try await together(jobs.count, on: fixture) { index in
        // The first of each call is good: it must go with the call that fails.
        let first = try sampleJob(id: JobID(UUID(number: UInt8(index))))
        return try await store.insert([first, jobs[index]])
      }
      for (index, answer) in answers.enumerated() {
        let first = try await store.job(JobID(UUID(number: UInt8(index))))
        if index % 3 == 1 {
          #expect(throws: StoreError.self) { try answer.get() }
          #expect(first == nil)
        } else {
          #expect(try answer.get().last == .created(jobs[index]))
          #expect(first != nil)
        }
      }
      #expect(fixture.recorder.commits.map(\.count) == [12])
    }
  }

  @Test func aFailingCommitFailsEveryoneAndAppliesNothing() async throws {
    try await withStore { fixture in
      let jobs = try (0..<8).map { _ in try sampleJob() }
      let store = fixture.store
      let answers = try await together(jobs.count, on: fixture) { index in
        guard index == 3 else {
          _ = try await store.insert([jobs[index]])
          return
        }
        // A breach of a foreign key that SQLite finds at the commit.
        try await store.writes.write { scope in
          try scope.db.execute(
            sql: """
              PRAGMA defer_foreign_keys = ON;
              INSERT INTO job_payloads (number, params) VALUES (999999, '{}');
              """)
        }
      }
      for answer in answers { #expect(throws: StoreError.self) { try answer.get() } }
      #expect(fixture.recorder.commits.isEmpty)
      #expect(try await store.jobs(jobs.map(\.id)).isEmpty)
      // And the store goes on.
      #expect(try await store.insert(jobs) == jobs.map { .created($0) })
    }
  }

  @Test func whatOneCallerSeesIsWhatTheOneBeforeLeft() async throws {
    try await withStore { fixture in
      let job = try sampleJob()
      let store = fixture.store
      _ = try await store.insert([job])
      let answers = try await together(30, on: fixture) { _ in
        try await store.update([job.id]) { _, job in
          job.attempt += 1
          return job.attempt
        }[0]
      }
      #expect(Set(try answers.map { try $0.get() }) == Set(1...30))
      #expect(fixture.recorder.changes.map(\.job.attempt) == Array(1...30))
      #expect(fixture.recorder.commits.count == 1)
    }
  }

  @Test func aCancelledCallersWorkIsDoneLikeOthers() async throws {
    try await withStore { fixture in
      let jobs = try (0..<10).map { _ in try sampleJob() }
      let store = fixture.store
      let answers = try await together(jobs.count, on: fixture) { index in
        let task = Task { try await store.insert([jobs[index]])[0] }
        if index % 2 == 0 { task.cancel() }
        return try await task.value
      }
      for (answer, job) in zip(answers, jobs) { #expect(try answer.get() == .created(job)) }
      #expect(try await store.jobs(jobs.map(\.id)).count == jobs.count)
    }
  }

  @Test func onCommitIsToldInTheOrderOfTheLogAndBeforeTheAnswer() async throws {
    try await withStore { fixture in
      let store = fixture.store
      let recorder = fixture.recorder
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<8 {
          group.addTask {
            for _ in 0..<15 {
              let job = try sampleJob()
              _ = try await store.insert([job])
              #expect(recorder.changes.contains { $0.job.id == job.id })
            }
          }
        }
        try await group.waitForAll()
      }
      let told = recorder.changes.compactMap(\.event)
      #expect(told == (try await store.events(after: 0, limit: 1000)))
      #expect(told.count == 120)
    }
  }

  @Test func nothingThatWaitsIsLostByClosing() async throws {
    let fixture = try StoreFixture()
    let jobs = try (0..<10).map { _ in try sampleJob() }
    let store = fixture.store
    let answers = try await together(jobs.count + 1, on: fixture) { index in
      guard index == jobs.count else {
        _ = try await store.insert([jobs[index]])
        return
      }
      _ = try await store.insert([try sampleJob()])
    }
    for answer in answers { try answer.get() }
    try store.close()
    try store.close()
    await #expect(throws: StoreError.closed) { try await store.insert([jobs[0]]) }
    await #expect(throws: StoreError.closed) { try await store.list(JobQuery()) }
    await #expect(throws: StoreError.closed) { try await store.checkHealth() }
    let again = try StoreFixture(fixture.folder)
    #expect(try await again.store.jobs(jobs.map(\.id)).count == jobs.count)
    try again.store.close()
  }
}
