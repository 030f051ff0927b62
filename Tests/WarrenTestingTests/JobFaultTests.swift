import Foundation
import Testing
import WarrenTesting

/// Accidents, each at its point, each time the same.
@Suite("Accidents of a job under test", .timeLimit(.minutes(1)))
struct JobFaultTests {
  let tester = JobTester()
  let seen = Recorder<String>()

  init() {
    addJobs(to: tester, clock: tester.clock, seen: seen)
  }

  @Test("a worker that is killed loses its job, which goes on from its snapshot")
  func killedAfterASnapshot() async throws {
    let run = try await tester.run(
      CountWords(text: "a b c d"), faults: .killWorker(at: .afterSnapshot(2)))
    #expect(run.status == .completed)
    #expect(run.attempts == 2)
    #expect(run.job.lostWorkers == 1)
    #expect(run.job.retries == 0)
    #expect(seen.all == ["a", "b", "c", "d"])
    #expect(run.statuses == [.waiting, .running, .waiting, .running, .completed])
    let workers = run.transitions.filter { $0.to == .running }.compactMap(\.worker)
    #expect(Set(workers).count == 2)
  }

  @Test("what was done since the last snapshot is done twice")
  func killedAtAProgress() async throws {
    let run = try await tester.run(
      CountWords(text: "a b c d"), faults: .killWorker(at: .progress(3)))
    #expect(run.status == .completed)
    #expect(run.attempts == 2)
    #expect(seen.all == ["a", "b", "c", "c", "d"])
    #expect(run.progress.compactMap(\.details) == ["a", "b", "c", "c", "d"])
    // The snapshot that it would have saved after it was lost with its worker.
    #expect(run.snapshots.count == 4)
  }

  @Test("before the callback begins, nothing was done")
  func killedAtTheStart() async throws {
    let run = try await tester.run(CountWords(text: "a b"), faults: .killWorker(at: .start))
    #expect(run.attempts == 2)
    #expect(seen.all == ["a", "b"])
  }

  @Test("before the report, all was done and nobody knows it")
  func killedBeforeTheReport() async throws {
    let run = try await tester.run(
      CountWords(text: "a b"), faults: .killWorker(at: .beforeReport))
    #expect(run.status == .completed)
    #expect(run.attempts == 2)
    #expect(run.result?.total == 2)
    // From the last snapshot there was nothing left to do.
    #expect(seen.all == ["a", "b"])
  }

  @Test("a job that costs too many workers fails as poison")
  func poison() async throws {
    let run = try await tester.run(
      CountWords(text: "a"), faults: .killWorker(at: .start), .killWorker(at: .start),
      .killWorker(at: .start), .killWorker(at: .progress(1)), .killWorker(at: .start))
    #expect(run.status == .failed)
    #expect(run.attempts == 5)
    #expect(try #require(run.error).contains("poison"))
  }

  @Test("a worker that is killed loses all its jobs")
  func killsAll() async throws {
    let gate = Gate()
    let begun = Recorder<Int>()
    tester.on(Notify.self) { _, job in
      if begun.add(1) == 1 { try await gate.pass() }
    }
    let other = try await tester.schedule(Notify(address: "a"))
    try await tester.advance(by: .zero)
    let run = try await tester.run(CountWords(text: "a"), faults: .killWorker(at: .progress(1)))
    #expect(run.attempts == 2)
    try await tester.drain()
    let record = try tester.record(other.id)
    #expect(record.status == .completed)
    #expect(record.attempts == 2)
  }

  @Test("a ticket that comes twice gets nothing the second time")
  func deliveredTwice() async throws {
    let run = try await tester.run(CountWords(text: "a b"), faults: .deliverTwice)
    #expect(run.status == .completed)
    #expect(run.attempts == 1)
    #expect(run.voidTickets == 1)
    #expect(seen.all == ["a", "b"])
  }

  @Test("a report that is lost is handed over again, and the work is not done again")
  func lostReport() async throws {
    let run = try await tester.run(CountWords(text: "a"), faults: .loseReport)
    #expect(run.status == .completed)
    #expect(run.attempts == 1)
    #expect(seen.all == ["a"])
    // After a pause of the worker's, on the tester's clock.
    #expect(run.duration > .seconds(1) && run.duration <= .milliseconds(1400))
  }

  @Test("a report that comes twice changes nothing the second time")
  func repeatedReport() async throws {
    let run = try await tester.run(CountWords(text: "a"), faults: .repeatReport)
    #expect(run.status == .completed)
    #expect(run.statuses == [.waiting, .running, .completed])
    #expect(run.duration == .seconds(1))
    #expect(tester.clock.now.elapsed > .seconds(1))
  }

  @Test("a job is canceled on its way")
  func canceled() async throws {
    let run = try await tester.run(
      CountWords(text: "a b c"), faults: .cancel(at: .progress(2), reason: "changed my mind"))
    #expect(run.status == .canceled)
    #expect(run.details == "changed my mind")
    #expect(run.progress.count == 2)
    #expect(run.statuses == [.waiting, .running, .canceling, .canceled])
    let late = try await tester.run(
      CountWords(text: "a b c"), faults: .cancel(at: .beforeReport))
    // It had ended by then.
    #expect(late.status == .completed)
  }

  @Test("a job is suspended on its way, and resumed where it was")
  func suspended() async throws {
    let run = try await tester.run(
      CountWords(text: "a b c"), faults: .suspend(at: .afterSnapshot(1)))
    #expect(run.status == .suspended)
    #expect(run.statuses == [.waiting, .running, .suspending, .suspended])
    try await tester.resume(run.id)
    let rest = try await tester.finish(run.id)
    #expect(rest.status == .completed)
    #expect(seen.all == ["a", "b", "c"])
  }

  @Test("a job runs into its time-out on its way")
  func timedOut() async throws {
    let run = try await tester.run(
      CountWords(text: "a b c"), faults: .timeOut(at: .progress(2)))
    #expect(run.status == .timedOut)
    #expect(run.progress.count == 2)
    #expect(run.duration == .seconds(60))
  }

  @Test("the next job of a type meets what was injected, whoever schedules it")
  func injected() async throws {
    tester.on(Notify.self) { params, job in
      try await job.schedule(CountWords(text: params.address))
    }
    tester.inject(.killWorker(at: .progress(1)), intoNext: CountWords.self)
    try await tester.run(Notify(address: "a b"))
    try await tester.drain()
    let child = try #require(try tester.scheduled(of: CountWords.self).first)
    #expect(child.job.attempt == 2)
    #expect(try await tester.run(CountWords(text: "c")).attempts == 1)
  }

  @Test("what was injected waits for a job that is new")
  func injectedForNew() async throws {
    try await tester.run(CountWords(text: "a"), options: JobOptions(key: "one"))
    tester.inject(.killWorker(at: .start), intoNext: CountWords.self)
    #expect(
      try await tester.run(CountWords(text: "a"), options: JobOptions(key: "one")).attempts == 1)
    #expect(
      try await tester.run(CountWords(text: "a"), options: JobOptions(key: "two")).attempts == 2)
  }

  @Test("what cannot happen to a job is said")
  func impossible() async throws {
    tester.on(Notify.self) { _, job in job.progress(1) }
    let noTimeOut = await #expect(throws: JobTesterError.self) {
      try await tester.run(Notify(address: ""), faults: .timeOut(at: .start))
    }
    #expect("\(try #require(noTimeOut))".contains("no time-out"))
    let notSuspendable = await #expect(throws: JobTesterError.self) {
      try await tester.run(Notify(address: ""), faults: .suspend(at: .progress(1)))
    }
    #expect("\(try #require(notSuspendable))".contains("suspendable"))
  }

  @Test("a callback that goes on after its worker was killed is named")
  func leftover() async throws {
    let tester = JobTester(patience: .seconds(2))
    let gate = Gate()
    tester.on(Notify.self) { _, job in
      job.progress(1)
      try await Task { try await gate.pass() }.value
    }
    let error = await #expect(throws: JobTesterError.self) {
      try await tester.run(Notify(address: ""), faults: .killWorker(at: .progress(1)))
    }
    #expect("\(try #require(error))".contains("its worker was killed"))
    gate.open()
    try await tester.drain()
    #expect(tester.jobs.map(\.status) == [.completed])
    #expect(tester.jobs.map(\.attempt) == [2])
  }

  @Test("a hundred runs with an accident are the same")
  func deterministic() async throws {
    var stories: Set<String> = []
    for _ in 0..<100 {
      let tester = JobTester(startingAt: Timestamp(milliseconds: 1_800_000_000_000))
      let seen = Recorder<String>()
      addJobs(to: tester, clock: tester.clock, seen: seen)
      let run = try await tester.run(
        CountWords(text: "a b c d"), faults: .killWorker(at: .progress(2)),
        .suspend(at: .progress(4)))
      stories.insert(
        "\(run.statuses) \(seen.all) \(run.progress) \(run.transitions.map(\.at.milliseconds))")
    }
    #expect(stories.count == 1, "\(stories)")
  }
}
