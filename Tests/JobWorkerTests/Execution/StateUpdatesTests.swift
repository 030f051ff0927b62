import Jobs
import TestSupport
import Testing

@testable import JobWorker

@Suite(.timeLimit(.minutes(3))) struct StateUpdatesTests {
  @Test func theCallbackSeesTheAttemptInOrder() async throws {
    let harness = try ExecutorHarness(
      settings: ExecutionSettings(progressInterval: .milliseconds(1)))
    let states = Recorder<JobState>()
    try await harness.run(
      stateUpdate: { _, state in states.add(state) },
      { context in
        context.progress(50, "half")
        _ = await states.wait { $0.count >= 2 }
        return nil
      })
    #expect(states.all.map(\.status) == [.running, .running, .completed])
    #expect(states.all.map(\.progress) == [0, 50, 100])
    #expect(states.all[1].details == "half")
  }

  @Test(
    arguments: [
      (JobOutcome.failed(error: "e", permanent: false), AttemptOrders(), JobStatus.waiting, "e"),
      (.failed(error: "e", permanent: true), [], .failed, "e"),
      (.timedOut(error: "t"), [], .timedOut, "t"),
      (.skipped(reason: "s"), [], .skipped, "s"), (.canceled, .cancel, .canceled, nil),
      (.canceled, .suspend, .suspended, nil), (.canceled, [.cancel, .suspend], .canceled, nil),
      (.returned, .giveBack, .waiting, nil), (.completed(result: nil), .cancel, .completed, nil),
    ] as [(JobOutcome, AttemptOrders, JobStatus, String?)])
  func everyOutcomeIsTold(
    outcome: JobOutcome, orders: AttemptOrders, status: JobStatus, error: String?
  ) async throws {
    let states = Recorder<JobState>()
    let updates = try updates(states, maxRetries: 1)
    updates.tell(.running)
    updates.tell(nil, JobProgress(40, "more"))
    updates.tell(outcome, after: orders)
    #expect(await updates.finish(within: .seconds(10), DeadlineQueue()))
    let last = try #require(states.all.last)
    #expect(states.all.count == 3)
    #expect(last.status == status)
    #expect(last.error == error)
    #expect(last.progress == (status == .completed ? 100 : 40))
    #expect(last.details == "more")
  }

  @Test func aFailureWithoutRetriesLeftIsTheEnd() async throws {
    let states = Recorder<JobState>()
    let updates = try updates(states, maxRetries: 3)
    updates.allow(retries: 0)
    updates.tell(.failed(error: "e", permanent: false), after: [])
    #expect(await updates.finish(within: .seconds(10), DeadlineQueue()))
    #expect(states.all.map(\.status) == [.failed])
  }

  @Test func ordersAndLocksAreToldAndProgressChangesNoStatus() async throws {
    let harness = try ExecutorHarness(
      settings: ExecutionSettings(progressInterval: .milliseconds(1)))
    let states = Recorder<JobState>()
    try await harness.run(
      stateUpdate: { _, state in states.add(state) },
      { context in
        try await context.setLocked(by: JobID())
        context.progress(10)
        _ = await states.wait { $0.count >= 3 }
        harness.attempt.release()
        try await context.setUnlocked()
        _ = await states.wait { $0.count >= 4 }
        harness.attempt.order(.suspend)
        harness.attempt.order(.cancel)
        try await Task.sleep(for: .seconds(60))
        return nil
      })
    #expect(
      states.all.map(\.status) == [
        .running, .locked, .locked, .running, .suspending, .canceling, .canceled,
      ])
    #expect(states.all.map(\.progress) == [0, 0, 10, 10, 10, 10, 10])
  }

  @Test func aJobThatIsRunAgainWaitsIfARetryIsLeftOrNoneIsNeeded() async throws {
    let ends: [(JobOutcome, maxRetries: Int, JobStatus, String?)] = [
      (.retryAfter(error: "busy", delay: .zero, counted: true), 0, .failed, "busy"),
      (.retryAfter(error: "busy", delay: .zero, counted: true), 1, .waiting, "busy"),
      (.retryAfter(error: "busy", delay: .zero, counted: false), 0, .waiting, "busy"),
      (.snoozed(.zero, reason: "early"), 0, .waiting, nil),
    ]
    for (outcome, maxRetries, status, error) in ends {
      let states = Recorder<JobState>()
      let updates = try updates(states, maxRetries: maxRetries)
      updates.tell(.running)
      updates.tell(outcome, after: [])
      #expect(await updates.finish(within: .seconds(30), DeadlineQueue()))
      #expect(states.all.last?.status == status)
      #expect(states.all.last?.error == error)
    }
  }

  private func updates(_ states: Recorder<JobState>, maxRetries: Int) throws -> StateUpdates {
    let type = try testType(stateUpdate: { _, state in states.add(state) }, execute: { _ in nil })
    let assignment = JobAssignment(
      job: JobID(), type: type.description.id, attempt: 1, maxRetries: maxRetries)
    return try #require(StateUpdates(type, assignment))
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
