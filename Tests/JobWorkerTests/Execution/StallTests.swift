import Jobs
import TestSupport
import Testing

@testable import JobWorker

@Suite("An attempt that says nothing", .timeLimit(.minutes(1))) struct StallTests {
  private func run(
    _ stallTimeout: Duration, harness: ExecutorHarness,
    _ execute: @escaping @Sendable (JobContext) async throws -> JSONValue?
  ) async throws {
    _ = await harness.executor.run(
      harness.assignment, try testType(stallTimeout: stallTimeout, execute: execute),
      harness.attempt)
  }

  @Test("ends as one that is late, and hears why")
  func silence() async throws {
    let harness = try ExecutorHarness()
    let reasons = Recorder<CancelReason?>()
    try await run(.milliseconds(50), harness: harness) { context in
      await untilCancelled()
      reasons.add(context.cancelReason)
      throw CancellationError()
    }
    #expect(reasons.all == [.stalled])
    #expect(harness.authority.outcomes == [.timedOut(error: "stalled: no progress for 0.05 s")])
    #expect(harness.job?.status == .timedOut)
    #expect(harness.deadlines.count == 0)
  }

  @Test("is told to end only so long after the last thing that it said", arguments: 0..<3)
  func signs(kind: Int) async throws {
    let harness = try ExecutorHarness()
    let limit = Duration.seconds(2)
    let said = Recorder<ContinuousClock.Instant>()
    let ended = Recorder<ContinuousClock.Instant>()
    try await run(limit, harness: harness) { context in
      // Past the start, so that the first look finds a sign, and is not the last.
      try await Task.sleep(for: limit / 4)
      said.add(.now)
      switch kind {
      case 0: context.heartbeat()
      case 1: context.progress(.nan)
      default: try await context.saveSnapshot(7)
      }
      await untilCancelled()
      ended.add(.now)
      return nil
    }
    let silence = try #require(ended.all.first) - (try #require(said.all.first))
    #expect(silence >= limit - .milliseconds(1))
    #expect(harness.deadlines.count == 0)
  }

  @Test("that ends in time, or is of a type without such a limit, leaves no deadline")
  func deadlines() async throws {
    for limit in [Duration.zero, .seconds(3_600)] {
      let harness = try ExecutorHarness()
      try await run(limit, harness: harness) { context in
        for _ in 0..<1000 { context.heartbeat() }
        #expect(harness.deadlines.count == (limit == .zero ? 0 : 1))
        return nil
      }
      #expect(harness.authority.outcomes == [.completed(result: nil)])
      #expect(harness.deadlines.count == 0)
    }
  }

  @Test("and does not end either is reported as late, and keeps its slot")
  func stuck() async throws {
    let harness = try ExecutorHarness(settings: ExecutionSettings(grace: .milliseconds(20)))
    let release = Signal()
    async let run: Void = run(.milliseconds(20), harness: harness) { _ in
      _ = await release.wait(for: .seconds(30))
      return nil
    }
    #expect(await harness.authority.waitForOutcomes())
    guard case .timedOut(let error) = harness.authority.outcomes.first else {
      Issue.record("\(harness.authority.outcomes)")
      return
    }
    #expect(error.hasPrefix("stalled: no progress for 0.02 s, and has not ended within"))
    release.fire()
    try await run
    #expect(harness.authority.outcomes.count == 1)
  }

  @Test("while it is being canceled stays that")
  func canceled() async throws {
    let harness = try ExecutorHarness()
    let running = Signal()
    let release = Signal()
    async let run: Void = run(.seconds(2), harness: harness) { _ in
      running.fire()
      _ = await release.wait(for: .seconds(30))
      throw CancellationError()
    }
    #expect(await running.wait(for: .seconds(30)))
    harness.attempt.order(.cancel)
    // Its one look has come, and has changed nothing.
    #expect(try await ProcessProbe.eventually { harness.deadlines.count == 1 })
    #expect(harness.attempt.orders == .cancel)
    release.fire()
    try await run
    #expect(harness.authority.outcomes == [.canceled])
  }
}
