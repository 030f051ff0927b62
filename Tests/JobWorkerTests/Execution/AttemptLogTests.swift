import Jobs
import Logging
import Synchronization
import TestSupport
import Testing

@testable import JobWorker

@Suite(.timeLimit(.minutes(3))) struct LogBufferTests {
  private func line(_ number: Int, bytes: Int = 4) -> JobLogSet.Line {
    JobLogSet.Line(
      time: .now, level: .info, text: "\(number)" + String(repeating: "x", count: bytes))
  }

  private func sets(_ buffer: LogBuffer) -> [JobLogSet] {
    var rest = buffer
    var sets: [JobLogSet] = []
    while let set = rest.take() { sets.append(set) }
    return sets
  }

  @Test func linesAreTakenInSets() {
    var buffer = LogBuffer()
    for number in 1...250 { buffer.put(line(number)) }
    #expect(buffer.isFull)
    #expect(sets(buffer).map(\.first) == [1, 101, 201])
    #expect(sets(buffer).map(\.lines.count) == [100, 100, 50])
  }

  @Test func aSetIsBoundedInBytes() {
    var buffer = LogBuffer()
    for number in 1...15 { buffer.put(line(number, bytes: 4_000)) }
    #expect(sets(buffer).map(\.lines.count) == [8, 7])
    #expect(sets(buffer).allSatisfy { $0.bytes <= JobLogSet.mostBytes })
  }

  @Test func theNewestLinesStay() {
    var buffer = LogBuffer()
    for number in 1...5_000 { buffer.put(line(number)) }
    #expect(buffer.count == JobLog.mostLines)
    #expect(sets(buffer).first?.first == 4_501)
    #expect(sets(buffer).last?.lines.last?.text == "5000xxxx")
    for number in 1...20 { buffer.put(line(number, bytes: 4_000)) }
    #expect(sets(buffer).reduce(0) { $0 + $1.bytes } <= JobLog.mostBytes)
  }

  @Test func whatCouldNotBePassedOnComesFirstAgain() throws {
    var buffer = LogBuffer()
    for number in 1...150 { buffer.put(line(number)) }
    let taken = buffer.take()
    let set = try #require(taken)
    for number in 151...160 { buffer.put(line(number)) }
    buffer.putBack(set)
    #expect(sets(buffer).map(\.first) == [1, 101])
    #expect(buffer.count == 160)
  }

  @Test func whatHasBeenPushedOutMeanwhileDoesNotComeBack() throws {
    var buffer = LogBuffer()
    for number in 1...150 { buffer.put(line(number)) }
    let taken = buffer.take()
    let set = try #require(taken)
    for number in 151...700 { buffer.put(line(number)) }
    buffer.putBack(set)
    #expect(sets(buffer).first?.first == 201)
    #expect(buffer.count == 500)
  }
}

@Suite(.timeLimit(.minutes(3))) struct AttemptLogTests {
  private func lines(_ harness: ExecutorHarness) -> [JobLogSet] {
    harness.authority.reports.all.compactMap { report in
      if case .log(let set) = report.content { set } else { nil }
    }
  }

  @Test func aJobThatLogsNothingReportsItsOutcomeAlone() async throws {
    let harness = try ExecutorHarness()
    try await harness.run { _ in nil }
    #expect(harness.authority.reports.all.count == 1)
  }

  @Test func theLogComesBeforeTheOutcome() async throws {
    let harness = try ExecutorHarness(settings: ExecutionSettings(logInterval: .seconds(3_600)))
    try await harness.run { context in
      context.logger.info("one")
      context.logger.warning("two", metadata: ["why": "because"])
      throw TestFailure()
    }
    #expect(lines(harness).map(\.first) == [1])
    #expect(lines(harness).flatMap(\.lines).map(\.text) == ["one", "two why=because"])
    #expect(harness.authority.reports.all.last?.outcome != nil)
  }

  @Test func linesAreGatheredForATime() async throws {
    let harness = try ExecutorHarness(
      settings: ExecutionSettings(logInterval: .milliseconds(20)))
    let release = Signal()
    async let ending = harness.run { context in
      context.logger.info("early")
      _ = await release.wait(for: .seconds(30))
      return nil
    }
    #expect(await harness.authority.reports.wait { !$0.isEmpty })
    #expect(lines(harness).flatMap(\.lines).map(\.text) == ["early"])
    release.fire()
    _ = try await ending
  }

  @Test func aFullSetGoesAtOnce() async throws {
    let harness = try ExecutorHarness(settings: ExecutionSettings(logInterval: .seconds(3_600)))
    let release = Signal()
    async let ending = harness.run { context in
      for number in 1...100 { context.logger.info("\(number)") }
      _ = await release.wait(for: .seconds(30))
      return nil
    }
    #expect(await harness.authority.reports.wait { !$0.isEmpty })
    #expect(lines(harness).map(\.lines.count) == [100])
    release.fire()
    _ = try await ending
  }

  @Test func aFloodIsFewReportsAndItsEndLands() async throws {
    let harness = try ExecutorHarness()
    let clock = ContinuousClock()
    let start = clock.now
    try await harness.run { context in
      let logger = context.logger
      for number in 1...100_000 { logger.info("\(number)") }
      return nil
    }
    let seconds = (clock.now - start).seconds
    let sets = lines(harness)
    // Ten a second, one at the beginning, and what is kept of a job at the end.
    #expect(sets.count <= Int(seconds * 10) + 7)
    #expect(sets.last?.lines.last?.text == "100000")
    #expect(sets.map(\.first) == sets.map(\.first).sorted())
    #expect(harness.job?.status == .completed)
  }

  @Test func aLogThatCannotBeReportedDoesNotTroubleTheJob() async throws {
    let harness = try ExecutorHarness(
      settings: ExecutionSettings(
        progressInterval: .milliseconds(1), logInterval: .milliseconds(1)))
    harness.authority.isAway = true
    let logged = Signal()
    async let ending = harness.run { context in
      context.logger.info("one")
      logged.fire()
      _ = await harness.authority.batches.wait { !$0.isEmpty }
      context.logger.info("two")
      harness.authority.isAway = false
      return nil
    }
    _ = try await ending
    var texts: [String] = []
    var next: Int64 = 1
    for set in lines(harness) where set.first >= next {
      texts += set.lines.map(\.text)
      next = set.first + Int64(set.lines.count)
    }
    #expect(texts.suffix(1) == ["two"])
    #expect(harness.job?.status == .completed)
  }
}
