import Foundation
import Testing
import WarrenTesting

/// Time that stands still, and what a test is told when it would wait for ever.
@Suite("The time of a test", .timeLimit(.minutes(3)))
struct TesterTimeTests {
  let tester = JobTester()
  /// For what is to be found out only by waiting.
  let impatient = JobTester(patience: .seconds(6))

  @Test("a job that outruns its time-out is told to end, and is timed out at just that time")
  func timeOut() async throws {
    addJobs(to: tester, clock: tester.clock)
    let words = Array(repeating: "a", count: 100).joined(separator: " ")
    let run = try await tester.run(CountWords(text: words))
    #expect(run.status == .timedOut)
    #expect(run.progress.count == 60 || run.progress.count == 59)
    #expect(run.duration == .seconds(60))
    #expect(try #require(run.error).contains("time-out of 60.0 seconds"))
  }

  @Test("time that is moved meets the time-out of a job which waits for something else")
  func timeOutOutside() async throws {
    let gate = Gate()
    tester.on(CountWords.self) { _, _ in
      try await gate.pass()
      return CountWords.Result(total: 0)
    }
    let job = try await tester.schedule(CountWords(text: "a"))
    try await tester.advance(by: .milliseconds(59_999))
    #expect(try tester.job(job.id).status == .running)
    try await tester.advance(by: .milliseconds(1))
    #expect(try tester.job(job.id).status == .timedOut)
  }

  @Test("a job that ignores that it is told to end is overdue after the grace period")
  func grace() async throws {
    let gate = Gate()
    tester.on(CountWords.self) { _, _ in
      // In a task that is not cancelled with this one.
      try await Task { try await gate.pass() }.value
      return CountWords.Result(total: 0)
    }
    let job = try await tester.schedule(CountWords(text: "a"))
    try await tester.advance(by: .milliseconds(69_999))
    #expect(try tester.job(job.id).status == .running)
    try await tester.advance(by: .milliseconds(1))
    // The report goes its own way, which no callback waits for.
    gate.open()
    try await tester.drain()
    let record = try tester.record(job.id)
    #expect(record.status == .timedOut)
    #expect(try #require(record.error).contains("has not ended within 10.0 seconds"))
  }

  @Test("a job that says nothing for too long is stalled, at just that time")
  func stalls() async throws {
    let reasons = Recorder<CancelReason?>()
    tester.on(Watch.self) { [clock = tester.clock] params, job in
      for _ in 0..<params.rounds {
        try await clock.sleep(for: .seconds(29))
        job.heartbeat()
      }
      defer { reasons.add(job.cancelReason) }
      try await clock.sleep(for: .seconds(31))
    }
    let run = try await tester.run(Watch(rounds: 3))
    #expect(run.status == .timedOut)
    #expect(run.duration == .seconds(3 * 29 + 30))
    #expect(reasons.all == [.stalled])
  }

  @Test("a job says itself when it runs again")
  func snoozes() async throws {
    let times = Recorder<Duration>()
    tester.on(Watch.self) { [clock = tester.clock] _, _ in
      switch times.add(clock.now.elapsed) {
      case 1: throw Snooze(.seconds(300), "not open yet")
      case 2: throw RetryAfter(.seconds(60), counted: false, because: "busy")
      default: break
      }
    }
    let run = try await tester.run(Watch(rounds: 1))
    #expect(run.status == .completed)
    #expect(run.job.retries == 0)
    #expect(times.all == [.zero, .seconds(300), .seconds(360)])
  }

  @Test("sleeps end in their order, each at its time")
  func sleeps() async throws {
    let seen = Recorder<String>()
    tester.on(CountWords.self) { [clock = tester.clock] _, _ in
      await withTaskGroup { group in
        for seconds in [3, 1, 2] {
          group.addTask {
            try? await clock.sleep(for: .seconds(seconds))
            seen.add("\(seconds) at \(clock.now.elapsed)")
          }
        }
      }
      try await clock.sleep(for: .zero)
      try await clock.sleep(for: .microseconds(10))
      return CountWords.Result(total: 0)
    }
    let run = try await tester.run(CountWords(text: ""))
    #expect(seen.all == ["1 at 1.0 seconds", "2 at 2.0 seconds", "3 at 3.0 seconds"])
    // The least is a millisecond.
    #expect(run.duration == .milliseconds(3001))
  }

  @Test("two that wait at once do not move the time twice")
  func twoWaits() async throws {
    let clock = tester.clock
    tester.on(CountWords.self) { _, _ in
      // Its time-out is a minute.
      for _ in 0..<59 { try await clock.sleep(for: .seconds(1)) }
      return CountWords.Result(total: 1)
    }
    let jobs = try await tester.schedule((0..<4).map { CountWords(text: "\($0)") })
    try await withThrowingTaskGroup(of: Int.self) { group in
      for job in jobs { group.addTask { try await job.result().total } }
      for try await total in group { #expect(total == 1) }
    }
    #expect(clock.now.elapsed == .seconds(59))
  }

  @Test("a sleep of the tester's clock ends with its task")
  func cancelledSleep() async throws {
    let clock = tester.clock
    let task = Task { try await clock.sleep(for: .seconds(1)) }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  @Test("whoever waits for the machine's clock is told so")
  func waitsForOutside() async throws {
    let tester = impatient
    tester.on(CountWords.self) { _, _ in
      try await Task.sleep(for: .seconds(3600))
      return CountWords.Result(total: 0)
    }
    let error = await #expect(throws: JobTesterError.self) {
      try await tester.run(CountWords(text: ""))
    }
    let text = "\(try #require(error))"
    #expect(text.contains("tester.clock") && text.contains("advance(by:)"), "\(text)")
    #expect(text.contains("\(tester.jobs[0].id)"))
    // It can still be ended.
    try await tester.advance(by: .seconds(60))
    #expect(tester.jobs[0].status == .timedOut)
  }

  @Test("a job that fails for ever ends the test, not the day")
  func endlessRetries() async throws {
    let tester = JobTester(mostAttempts: 5)
    tester.on(CountWords.self) { _, _ in throw Failure(description: "again") }
    let error = await #expect(throws: JobTesterError.self) {
      try await tester.run(
        CountWords(text: ""), options: JobOptions(retry: RetryPolicy(maxRetries: 1_000_000)))
    }
    let text = "\(try #require(error))"
    #expect(text.contains("has been run 5 times") && text.contains("again"), "\(text)")
  }

  @Test("a job that sleeps for ever does, too")
  func endlessSleep() async throws {
    tester.on(Notify.self) { [clock = tester.clock] _, _ in
      while true { try await clock.sleep(for: .seconds(1)) }
    }
    let error = await #expect(throws: JobTesterError.self) {
      try await tester.run(Notify(address: ""))
    }
    #expect("\(try #require(error))".contains("endless loop"))
    try tester.cancel(tester.jobs[0].id)
    try await tester.drain()
    #expect(tester.jobs[0].status == .canceled)
  }

  @Test("a callback that blocks its thread is told apart")
  func blocking() async throws {
    let tester = impatient
    let gate = DispatchSemaphore(value: 0)
    tester.on(Notify.self) { _, _ in _ = Self.block(gate) }
    let error = await #expect(throws: JobTesterError.self) {
      try await tester.run(Notify(address: ""))
    }
    #expect("\(try #require(error))".contains("neither ended nor waited"))
    gate.signal()
    try await tester.drain()
    #expect(tester.jobs[0].status == .completed)
  }

  private static func block(_ gate: DispatchSemaphore) -> DispatchTimeoutResult {
    gate.wait(timeout: .now() + 20)
  }

  @Test("what cannot be registered is told when jobs are run")
  func registration() async throws {
    tester.on(Notify.self) { _, _ in }
    tester.on(Notify.self) { _, _ in }
    let error = await #expect(throws: JobTesterError.self) { try await tester.drain() }
    #expect("\(try #require(error))".contains("registered twice"))
  }

  @Test("a type that nobody knows is named, with those that are known")
  func unknownType() async throws {
    addJobs(to: tester, clock: tester.clock)
    let error = await #expect(throws: JobTesterError.self) {
      try await tester.run(JobSubmission(type: .named("text:wrods")))
    }
    let text = "\(try #require(error))"
    #expect(text.contains("text:wrods") && text.contains("text:words"), "\(text)")
  }
}
