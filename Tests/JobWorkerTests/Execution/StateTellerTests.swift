import Jobs
import TestSupport
import Testing

@testable import JobWorker

@Suite(.timeLimit(.minutes(1))) struct StateTellerTests {
  @Test func theCallbackSeesTheAttemptInOrder() async throws {
    let harness = try ExecutorHarness(
      settings: ExecutionSettings(progressInterval: .milliseconds(1)))
    let states = Recorder<JobState>()
    try await harness.run(
      stateUpdate: { _, state in states.add(state) },
      { context in
        try context.progress(50, "half")
        _ = await states.wait { $0.count >= 2 }
        return nil
      })
    #expect(states.all.map(\.status) == [.running, .running, .completed])
    #expect(states.all.map(\.progress) == [0, 50, 100])
    #expect(states.all[1].details == "half")
  }

  @Test(arguments: [
    (JobOutcome.failed(error: "e", permanent: false), JobStatus.failed, "e" as String?),
    (.timedOut(error: "t"), .timedOut, "t"), (.skipped(reason: "s"), .skipped, "s"),
    (.canceled, .canceled, nil), (.returned, .waiting, nil),
    (.completed(result: nil), .completed, nil),
  ])
  func everyOutcomeIsTold(outcome: JobOutcome, status: JobStatus, error: String?) async throws {
    let harness = try ExecutorHarness()
    let states = Recorder<JobState>()
    let type = try testType(stateUpdate: { _, state in states.add(state) }, execute: { _ in nil })
    let teller = try #require(StateTeller(type, harness.assignment))
    teller.tell(outcome, nil)
    #expect(await teller.finish(within: .seconds(10)))
    #expect(states.all.map(\.status) == [status])
    #expect(states.all.map(\.error) == [error])
  }

  @Test func aSlowCallbackHoldsUpNeitherTheJobNorItsReport() async throws {
    let harness = try ExecutorHarness(settings: ExecutionSettings(grace: .milliseconds(50)))
    let release = Signal()
    let ending = try await harness.run(
      stateUpdate: { _, _ in _ = await release.wait(for: .seconds(30)) }, { _ in nil })
    #expect(ending == .reported)
    #expect(harness.job?.status == .completed)
    release.fire()
  }
}
