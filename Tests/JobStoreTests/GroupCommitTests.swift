import Foundation
import GRDB
import Jobs
import Testing

@testable import JobStore

@Suite(.timeLimit(.minutes(3))) struct GroupCommitTests {
  /// Waits until so many calls stand in line, for ten seconds at most.
  private func waitForLine(of count: Int, at store: SQLiteStore) async throws {
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
    async let blocked: Void = fixture.store.writes.write { _ in gate.pass() }
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
      _ = fixture.log.take()
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
      #expect(fixture.log.commits.count == 1)
      #expect(Set(fixture.log.transitions.map(\.job)) == Set(jobs.map(\.id)))
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
      #expect(fixture.log.commits.map(\.transitions.count) == [9, 9, 9, 9, 9, 9, 6])
      // One call alone is never divided.
      let many = try (0..<50).map { _ in try sampleJob() }
      _ = fixture.log.take()
      _ = try await store.insert(many)
      #expect(fixture.log.commits.map(\.transitions.count) == [50])
    }
  }

  private struct Nonsense: Error {}

  @Test func aFailingPieceFailsOnlyItsCaller() async throws {
    try await withStore { fixture in
      let jobs = try (0..<9).map { try sampleJob(id: JobID(UUID(number: UInt8($0)))) }
      let store = fixture.store
      let answers = try await together(jobs.count, on: fixture) { index in
        // Its job is good: it must go with the call that fails.
        try await store.writes.write { transaction in
          let new = NewJob(jobs[index], submitted: jobs[index].params)
          let insertion = try transaction.insert([new], at: .start)
          if index % 3 == 1 { throw Nonsense() }
          return insertion
        }
      }
      for (index, answer) in answers.enumerated() {
        let stored = try await store.job(jobs[index].id)
        if index % 3 == 1 {
          #expect(throws: StoreError.self) { try answer.get() }
          #expect(stored == nil)
        } else {
          #expect(try answer.get() == [.created(jobs[index])])
          #expect(stored == jobs[index])
        }
      }
      #expect(fixture.log.commits.map(\.transitions.count) == [6])
      #expect(fixture.log.commits.first?.due.map(\.count) == [6])
      #expect(try await store.due().map(\.count) == [6])
    }
  }

  @Test func oneJobThatTheFileDoesNotTakeIsRefusedAlone() async throws {
    try await withStore { fixture in
      let jobs = try (0..<9).map { index in
        try sampleJob().with { if index % 3 == 1 { $0.progress = 150 } }
      }
      let insertions = try await fixture.store.insert(jobs)
      for (index, insertion) in insertions.enumerated() {
        if index % 3 == 1 {
          guard case .unfit = insertion else {
            Issue.record("\(insertion)")
            continue
          }
        } else {
          #expect(insertion == .created(jobs[index]))
        }
      }
      #expect(fixture.log.commits.map(\.transitions.count) == [6])
      #expect(try await fixture.store.counts().map(\.count) == [6])
    }
  }

  @Test func aFailingTransactionFailsEveryoneAndAppliesNothing() async throws {
    try await withStore { fixture in
      let jobs = try (0..<8).map { _ in try sampleJob() }
      let store = fixture.store
      let answers = try await together(jobs.count, on: fixture) { index in
        guard index == 3 else {
          _ = try await store.insert([jobs[index]])
          return
        }
        // It ends the transaction under everybody, as SQLite does on a full disk.
        try await store.writes.write { transaction in
          try transaction.db.execute(sql: "ROLLBACK")
          throw Nonsense()
        }
      }
      for answer in answers { #expect(throws: StoreError.self) { try answer.get() } }
      #expect(fixture.log.commits.isEmpty)
      #expect(try await store.jobs(jobs.map(\.id)).isEmpty)
      // And the store goes on.
      #expect(try await store.insert(jobs) == jobs.map { .created($0) })
      #expect(try await store.due().map(\.count) == [8])
    }
  }

  @Test(arguments: [true, false])
  func newJobsAreRefusedWhileTooMuchWaitsAndNothingElseIs(byCount: Bool) async throws {
    let bytes = try sampleJob().params.sizeBound
    let options =
      byCount ? StoreOptions(waitingJobs: 3) : StoreOptions(waitingBytes: 4 * bytes - 1)
    try await withStore(options: options) { fixture in
      let store = fixture.store
      let gate = Gate()
      async let blocked: Void = store.writes.write { _ in gate.pass() }
      await gate.waitForArrival()
      async let first = store.insert(try (0..<3).map { _ in try sampleJob() })
      try await waitForLine(of: 1, at: store)
      await #expect(throws: StoreError.overloaded) { try await store.insert([try sampleJob()]) }
      async let command = store.apply([JobCommand(.suspend, of: JobID())], at: .start)
      try await waitForLine(of: 2, at: store)
      gate.open()
      #expect(try await first.count == 3)
      #expect(try await command == [nil])
      try await blocked
      // One that is larger than the bound is taken when nothing waits.
      #expect(try await store.insert(try (0..<5).map { _ in try sampleJob() }).count == 5)
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
      let log = fixture.log
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<8 {
          group.addTask {
            for _ in 0..<15 {
              let job = try sampleJob()
              _ = try await store.insert([job])
              #expect(log.transitions.contains { $0.job == job.id })
            }
          }
        }
        try await group.waitForAll()
      }
      let told = log.transitions
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
