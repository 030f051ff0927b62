import Jobs
import TestSupport
import Testing

@testable import JobWorker

@Suite(.timeLimit(.minutes(3))) struct ExecutorTests {
  @Test func aResultIsReported() async throws {
    let harness = try ExecutorHarness()
    #expect(try await harness.run { _ in ["sum": 7] } == .reported)
    #expect(harness.authority.outcomes == [.completed(result: ["sum": 7])])
    #expect(harness.job?.status == .completed)
  }

  @Test func aJobThatIsSnoozedWaitsWithItsSnapshot() async throws {
    let harness = try ExecutorHarness()
    try await harness.run { context in
      try await context.saveSnapshot(["line": 7])
      throw Snooze(.seconds(60), "not there yet")
    }
    #expect(harness.authority.outcomes == [.snoozed(.seconds(60), reason: "not there yet")])
    #expect(harness.job?.status == .waiting)
    #expect(harness.job?.snapshot == ["line": 7])
  }

  @Test func theTypesDecisionIsReported() async throws {
    let harness = try ExecutorHarness()
    var type = try testType { _ in throw TestFailure() }
    type.decide = { $0 is TestFailure ? .fail : nil }
    _ = await harness.executor.run(harness.assignment, type, harness.attempt)
    #expect(
      harness.authority.outcomes == [.failed(error: "the disk is on fire", permanent: true)])
  }

  @Test(arguments: [
    (AttemptOrders.cancel, CancelReason.canceled(reason: "no longer needed")),
    (.suspend, .suspending), (.giveBack, .shuttingDown), (.stop, .fenced), (.timeOut, .timedOut),
  ])
  func aCallbackLearnsWhyItIsToEnd(order: AttemptOrders, reason: CancelReason) async throws {
    let harness = try ExecutorHarness()
    let before = Recorder<CancelReason?>()
    let after = Recorder<CancelReason?>()
    let running = Signal()
    async let ending = harness.run { context in
      before.add(context.cancelReason)
      running.fire()
      await untilCancelled()
      // In a child task as well.
      async let seen = context.cancelReason
      after.add(await seen)
      return nil
    }
    #expect(await running.wait(for: .seconds(30)))
    harness.attempt.order(order, because: "no longer needed")
    _ = try await ending
    #expect(before.all == [nil])
    #expect(after.all == [reason])
  }

  @Test func aTimeOutEndsTheCallback() async throws {
    let harness = try ExecutorHarness(timeout: .milliseconds(50))
    #expect(
      try await harness.run { _ in
        await untilCancelled()
        throw TestFailure()
      } == .reported)
    #expect(harness.job?.status == .timedOut)
    #expect(harness.job?.error?.hasSuffix("the disk is on fire") == true)
  }

  @Test func aSnapshotIsTheJobsBeforeTheCallbackGoesOn() async throws {
    let harness = try ExecutorHarness()
    try await harness.run { context in
      try await context.saveSnapshot(["line": 7])
      #expect(harness.job?.snapshot == ["line": 7])
      return nil
    }
    #expect(harness.authority.outcomes == [.completed(result: nil)])
  }

  @Test func aSnapshotThatIsTooLargeIsRefusedAndTheFormerOneStays() async throws {
    var settings = ExecutionSettings()
    settings.limits.snapshot = 20
    let harness = try ExecutorHarness(settings: settings)
    try await harness.run { context in
      try await context.saveSnapshot("small")
      await #expect(throws: SnapshotError.tooLarge(27, limit: 20)) {
        try await context.saveSnapshot(String(repeating: "x", count: 25))
      }
      return nil
    }
    #expect(harness.authority.reports.all.map(\.content).contains(.snapshot("small")))
    #expect(harness.authority.outcomes == [.completed(result: nil)])
  }

  @Test func aLockThatIsRefusedIsThrownInTheCallback() async throws {
    let harness = try ExecutorHarness()
    let other = JobID()
    try await harness.run { context in
      try await context.setLocked(by: other)
      #expect(harness.job?.status == .locked)
      #expect(harness.job?.lockedBy == other)
      try await context.setUnlocked()
      #expect(harness.job?.status == .running)
      harness.authority.change(context.jobID) { $0.status = .canceling }
      await #expect(throws: LockError.status(.canceling)) {
        try await context.setLocked(by: other)
      }
      return nil
    }
  }

  @Test func aCallbackThatEndsInTimeIsNotTimedOut() async throws {
    let harness = try ExecutorHarness(timeout: .seconds(60))
    try await harness.run { _ in nil }
    #expect(harness.authority.outcomes == [.completed(result: nil)])
  }

  @Test func aTimeOutThatIsIgnoredIsReportedWhileTheCallbackGoesOn() async throws {
    let harness = try ExecutorHarness(
      timeout: .milliseconds(20), settings: ExecutionSettings(grace: .milliseconds(20)))
    let release = Signal()
    async let ending = harness.run { _ in
      // Detached, so that it does not hear of its cancellation.
      _ = await Task.detached { await release.wait(for: .seconds(30)) }.value
      return "too late"
    }
    #expect(await harness.authority.waitForOutcomes())
    #expect(harness.job?.status == .timedOut)
    release.fire()
    #expect(try await ending == .reported)
    #expect(harness.authority.outcomes.count == 1)
  }

  @Test func aCanceledCallbackThatThrowsIsCanceled() async throws {
    let harness = try ExecutorHarness()
    let started = Signal()
    async let ending = harness.run { _ in
      started.fire()
      await untilCancelled()
      try Task.checkCancellation()
      return nil
    }
    #expect(await started.wait(for: .seconds(10)))
    harness.attempt.order(.cancel)
    #expect(try await ending == .reported)
    #expect(harness.authority.outcomes == [.canceled])
  }

  @Test func aCanceledCallbackThatCompletesHasCompleted() async throws {
    let harness = try ExecutorHarness()
    let started = Signal()
    async let ending = harness.run { _ in
      started.fire()
      await untilCancelled()
      return "done anyway"
    }
    #expect(await started.wait(for: .seconds(10)))
    harness.attempt.order(.cancel)
    _ = try await ending
    #expect(harness.authority.outcomes == [.completed(result: "done anyway")])
  }

  @Test(arguments: [
    (AttemptOrders.cancel, [JobOutcome.canceled]), (.giveBack, [.returned]), (.stop, []),
  ])
  func aCallbackDoesNotStartAfterAnOrder(order: AttemptOrders, outcomes: [JobOutcome]) async throws
  {
    let harness = try ExecutorHarness()
    harness.attempt.order(order)
    let runs = Recorder<Bool>()
    let ending = try await harness.run { _ in
      runs.add(true)
      return nil
    }
    #expect(runs.all.isEmpty)
    #expect(harness.authority.outcomes == outcomes)
    #expect((ending == .silent) == outcomes.isEmpty)
  }

  @Test func aStoppedAttemptReportsNothing() async throws {
    let harness = try ExecutorHarness()
    let started = Signal()
    async let ending = harness.run { _ in
      started.fire()
      await untilCancelled()
      return "nobody wants it"
    }
    #expect(await started.wait(for: .seconds(10)))
    harness.attempt.order(.stop)
    #expect(try await ending == .silent)
    #expect(harness.authority.reports.all.isEmpty)
  }

  @Test func anAbandonedCallbackIsNotWaitedFor() async throws {
    let harness = try ExecutorHarness()
    let (started, release) = (Signal(), Signal())
    async let ending = harness.run { _ in
      started.fire()
      _ = await release.wait(for: .seconds(30))
      return nil
    }
    #expect(await started.wait(for: .seconds(10)))
    harness.attempt.order(.abandon)
    #expect(try await ending == .silent)
    #expect(harness.authority.reports.all.isEmpty)
    release.fire()
  }

  @Test func anOutcomeIsReportedAsSoonAsTheServerIsBack() async throws {
    let harness = try ExecutorHarness()
    harness.authority.isAway = true
    let started = Signal()
    async let ending = harness.run { _ in
      started.fire()
      return 42
    }
    #expect(await started.wait(for: .seconds(10)))
    // At least one try has failed by now, or will find the server back.
    harness.authority.isAway = false
    #expect(try await ending == .reported)
    #expect(harness.authority.outcomes == [.completed(result: 42)])
  }

  @Test func aWorkerThatLeavesDoesNotWaitForTheServer() async throws {
    let harness = try ExecutorHarness()
    harness.authority.isAway = true
    harness.lifecycle.advance(to: .leaving)
    #expect(try await harness.run { _ in 42 } == .silent)
  }

  @Test func aRefusedReportIsNotTriedForEver() async throws {
    let harness = try ExecutorHarness()
    harness.authority.isAway = true
    let started = Signal()
    async let ending = harness.run { _ in
      started.fire()
      return 42
    }
    #expect(await started.wait(for: .seconds(10)))
    harness.attempt.order(.stop)
    #expect(try await ending == .silent)
  }

  @Test func aJobThatNeedsNoDeadlineHasNone() async throws {
    let harness = try ExecutorHarness()
    try await harness.run { _ in
      #expect(harness.deadlines.count == 0)
      return nil
    }
    #expect(harness.authority.batches.all == [1])
  }

  @Test func anAbandonedCallbackThatReturnsAfterAllReportsNothing() async throws {
    let harness = try ExecutorHarness(timeout: .seconds(3_600))
    let (started, release, returned) = (Signal(), Signal(), Signal())
    async let ending = harness.run { _ in
      started.fire()
      _ = await Task.detached { await release.wait(for: .seconds(30)) }.value
      returned.fire()
      return nil
    }
    #expect(await started.wait(for: .seconds(10)))
    harness.attempt.order(.abandon)
    #expect(try await ending == .silent)
    #expect(harness.deadlines.count == 0)
    release.fire()
    #expect(await returned.wait(for: .seconds(10)))
    #expect(harness.authority.reports.all.isEmpty)
  }
}
