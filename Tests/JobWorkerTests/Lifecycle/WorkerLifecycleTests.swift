import TestSupport
import Testing

@testable import JobWorker

@Suite(.timeLimit(.minutes(3))) struct WorkerLifecycleTests {
  @Test func itOnlyGoesForward() {
    let lifecycle = WorkerLifecycle()
    #expect(lifecycle.phase == .working)
    lifecycle.advance(to: .givingBack)
    lifecycle.advance(to: .draining)
    #expect(lifecycle.phase == .givingBack)
    #expect(WorkerPhase.working.next == .draining)
    #expect(WorkerPhase.leaving.next == .leaving)
  }

  @Test func aLaterPhaseWakesWhoWaitsForAnEarlierOne() async {
    let lifecycle = WorkerLifecycle()
    async let draining: Void = lifecycle.reached(.draining)
    async let leaving: Bool = lifecycle.reached(.leaving, within: .milliseconds(100))
    lifecycle.advance(to: .givingBack)
    await draining
    #expect(await !leaving)
    await lifecycle.reached(.working)
  }

  @Test func cancellationEndsTheWait() async {
    let lifecycle = WorkerLifecycle()
    let task = Task { await lifecycle.reached(.leaving) }
    task.cancel()
    await task.value
    #expect(lifecycle.phase == .working)
  }

  @Test func aFailureDrains() {
    let lifecycle = WorkerLifecycle()
    lifecycle.fail(TestFailure())
    lifecycle.fail(CancellationError())
    #expect(lifecycle.phase == .draining)
    #expect(lifecycle.failure is TestFailure)
  }

  @Test func pausesGrowUpToTheLongest() {
    var pause = Pause(first: .seconds(1), longest: .seconds(3))
    let ranges: [ClosedRange<Duration>] = [
      .seconds(0.5) ... .seconds(1), .seconds(1) ... .seconds(2), .seconds(1.5) ... .seconds(3),
      .seconds(1.5) ... .seconds(3),
    ]
    for range in ranges {
      let wait = pause.take()
      #expect(range.contains(wait))
    }
  }
}
