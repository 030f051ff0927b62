import Jobs
import TestSupport
import Testing

@testable import JobWorker

/// Time passes only where a test says so.
@Suite("An attempt that says nothing", .timeLimit(.minutes(3))) struct StallTests {
  private static let stall = Duration.seconds(30)

  private static func harness() throws -> ExecutorHarness {
    try ExecutorHarness(deadlines: .movedByHand())
  }

  private func run(
    _ harness: ExecutorHarness, stall: Duration = stall,
    _ execute: @escaping @Sendable (JobContext) async throws -> JSONValue?
  ) async throws {
    _ = await harness.executor.run(
      harness.assignment, try testType(stallTimeout: stall, execute: execute), harness.attempt)
  }

  @Test("ends as one that is late, and hears why")
  func silence() async throws {
    let harness = try Self.harness()
    try await run(harness) { context in
      harness.deadlines.move(by: .milliseconds(29_999))
      #expect(context.cancelReason == nil)
      harness.deadlines.move(by: .milliseconds(1))
      #expect(context.cancelReason == .stalled)
      #expect(Task.isCancelled)
      throw CancellationError()
    }
    #expect(harness.authority.outcomes == [.timedOut(error: "stalled: no progress for 30 s")])
    #expect(harness.job?.status == .timedOut)
    #expect(harness.deadlines.count == 0)
  }

  @Test("is told to end only so long after the last thing that it said", arguments: 0..<4)
  func signs(kind: Int) async throws {
    let harness = try Self.harness()
    try await run(harness) { context in
      for _ in 0..<5 {
        harness.deadlines.move(by: .seconds(29))
        switch kind {
        case 0: context.heartbeat()
        case 1: context.progress(1)
        // Also where there is nothing to be reported.
        case 2: context.progress(.nan)
        default: try await context.saveSnapshot(7)
        }
      }
      harness.deadlines.move(by: .milliseconds(29_999))
      #expect(context.cancelReason == nil)
      harness.deadlines.move(by: .milliseconds(1))
      #expect(context.cancelReason == .stalled)
      return nil
    }
    // It has done its work nevertheless.
    #expect(harness.authority.outcomes == [.completed(result: nil)])
    #expect(harness.deadlines.count == 0)
  }

  @Test("has one deadline however much it says, and none where its type has no such limit")
  func deadlines() async throws {
    for (stall, count) in [(Duration.zero, 0), (.seconds(30), 1)] {
      let harness = try Self.harness()
      try await run(harness, stall: stall) { context in
        for _ in 0..<1000 { context.heartbeat() }
        #expect(harness.deadlines.count == count)
        return nil
      }
      #expect(harness.deadlines.count == 0)
    }
  }

  @Test("and does not end either is reported as late, and keeps its slot")
  func stuck() async throws {
    let harness = try Self.harness()
    try await run(harness) { _ in
      harness.deadlines.move(by: .seconds(40))
      #expect(await harness.authority.waitForOutcomes())
      return nil
    }
    #expect(
      harness.authority.outcomes == [
        .timedOut(
          error:
            "stalled: no progress for 30 s, and has not ended within 10.0 seconds of being told to"
        )
      ])
  }

  @Test("while it is being canceled stays that")
  func canceled() async throws {
    let harness = try Self.harness()
    try await run(harness) { context in
      harness.attempt.order(.cancel)
      harness.deadlines.move(by: .seconds(3600))
      #expect(context.cancelReason == .canceled(reason: nil))
      #expect(harness.attempt.orders == .cancel)
      throw CancellationError()
    }
    #expect(harness.authority.outcomes == [.canceled])
  }
}
