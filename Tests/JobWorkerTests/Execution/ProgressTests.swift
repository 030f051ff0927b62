import Jobs
import TestSupport
import Testing

@testable import JobWorker

@Suite(.timeLimit(.minutes(3))) struct ProgressTests {
  @Test func aMillionReportsAreFewWritesAndTheLastOneLands() async throws {
    let harness = try ExecutorHarness()
    let clock = ContinuousClock()
    let start = clock.now
    try await harness.run { context in
      for step in 0..<1_000_000 { context.progress(Double(step) / 20_000) }
      context.progress(99.5, "almost")
      return nil
    }
    let seconds = (clock.now - start).seconds
    let writes = harness.authority.reports.all.compactMap(\.progress)
    #expect(writes.last?.percent == 99.5)
    #expect(writes.last?.details == "almost")
    // Ten a second, one at the beginning and one at the end.
    #expect(writes.count <= Int(seconds * 10) + 2)
    let percents = writes.compactMap(\.percent)
    #expect(percents == percents.sorted())
  }

  @Test func theLastProgressComesBeforeTheOutcome() async throws {
    let harness = try ExecutorHarness()
    try await harness.run { context in
      context.progress(10, "begun")
      context.progress(80)
      throw TestFailure()
    }
    let reports = harness.authority.reports.all
    #expect(reports.last?.outcome == .failed(error: "the disk is on fire", permanent: false))
    #expect(reports.dropLast().last?.progress?.percent == 80)
    #expect(harness.job?.progress == 80)
    #expect(harness.job?.progressDetails == "begun")
  }

  @Test func aFirstProgressIsReportedAtOnce() async throws {
    let harness = try ExecutorHarness(
      settings: ExecutionSettings(progressInterval: .seconds(3_600)))
    let release = Signal()
    async let ending = harness.run { context in
      context.progress(1)
      _ = await release.wait(for: .seconds(30))
      return nil
    }
    #expect(await harness.authority.reports.wait { $0.first?.progress?.percent == 1 })
    release.fire()
    _ = try await ending
  }

  @Test func withoutAnIntervalEachIsReportedAsSoonAsItIsTaken() async throws {
    let harness = try ExecutorHarness(settings: ExecutionSettings(progressInterval: .zero))
    try await harness.run { context in
      for step in 1...5 {
        context.progress(Double(step))
        let isReported = await harness.authority.reports.wait { $0.count == step }
        guard isReported else { throw TestFailure() }
      }
      return nil
    }
    #expect(harness.authority.reports.all.compactMap(\.progress?.percent) == [1, 2, 3, 4, 5])
  }

  @Test func progressThatCouldNotBeReportedIsMerged() async throws {
    let harness = try ExecutorHarness(
      settings: ExecutionSettings(progressInterval: .milliseconds(5)))
    harness.authority.isAway = true
    let reported = Signal()
    async let ending = harness.run { context in
      context.progress(1, "first")
      context.progress(2)
      reported.fire()
      await untilCancelled()
      return nil
    }
    #expect(await reported.wait(for: .seconds(10)))
    harness.authority.isAway = false
    #expect(
      await harness.authority.reports.wait { $0.compactMap(\.progress).last?.percent == 2 })
    #expect(harness.authority.reports.all.last?.progress?.details == "first")
    harness.attempt.order(.cancel)
    _ = try await ending
  }

  @Test func theLatestIsKept() throws {
    var latest = LatestProgress()
    #expect(latest.take() == nil)
    latest.put(JobProgress(1, "a"))
    latest.put(JobProgress(2))
    #expect(!latest.isEmpty)
    #expect(latest.take() == JobProgress(2, "a"))
    #expect(latest.take() == nil)
    latest.put(JobProgress(4))
    latest.putBack(JobProgress(3, "b"))
    #expect(latest.take() == JobProgress(4, "b"))
    latest.putBack(JobProgress(5))
    #expect(latest.take() == JobProgress(5))
    #expect(latest.isEmpty)
  }

  @Test func whatIsNoNumberLeavesThePercentageAsItWas() async throws {
    let harness = try ExecutorHarness()
    try await harness.run { context in
      context.progress(30, "begun")
      _ = await harness.authority.reports.wait { !$0.isEmpty }
      context.progress(.nan, "who knows")
      context.progress(.nan)
      return nil
    }
    #expect(
      harness.authority.reports.all.compactMap(\.progress)
        == [JobProgress(30, "begun"), JobProgress(nil, "who knows")])
    #expect(harness.job?.progressDetails == "who knows")
  }

  @Test func noProgressIsPassedOnAfterTheEnd() async throws {
    let harness = try ExecutorHarness()
    let contexts = Recorder<JobContext>()
    try await harness.run { context in
      contexts.add(context)
      return nil
    }
    contexts.all.first?.progress(70)
    #expect(harness.authority.reports.all.compactMap(\.progress).isEmpty)
    #expect(harness.deadlines.count == 0)
  }

  @Test func aPauseBetweenTwoReportsEndsWithTheJob() async throws {
    let harness = try ExecutorHarness(
      settings: ExecutionSettings(progressInterval: .seconds(3_600)))
    try await harness.run { context in
      context.progress(1)
      _ = await harness.authority.reports.wait { !$0.isEmpty }
      context.progress(2)
      return nil
    }
    #expect(harness.authority.reports.all.compactMap(\.progress?.percent) == [1, 2])
    #expect(harness.deadlines.count == 0)
  }
}
