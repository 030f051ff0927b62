import Foundation
import Jobs
import TestSupport
import Testing
import UnixSignals

@testable import JobWorker

@Suite(.needsBroker, .timeLimit(.minutes(2))) struct WorkerDrainTests {
  @Test func runningJobsMayEndAndTheRestIsGivenBack() async throws {
    let (started, release) = (Signal(), Signal())
    let type = try testType { _ in
      started.fire()
      _ = await release.wait(for: .seconds(60))
      return nil
    }
    try await BrokerHarness.with { harness in
      let first = try await harness.submit(try waitingJob())
      try await harness.withWorker([type]) { worker in
        #expect(await started.wait(for: .seconds(20)))
        let second = try await harness.submit(try waitingJob())
        await worker.drain()
        // It still obeys while it drains.
        try await harness.expect(.running, of: first, by: worker.id)
        release.fire()
        #expect(await worker.ended.wait(for: .seconds(20)))
        #expect(harness.authority.job(first)?.status == .completed)
        #expect(harness.authority.job(second)?.status == .waiting)
        #expect(await harness.mail.wait { $0.last == .farewell(worker.id) })
        #expect(try await harness.hasTicket())
      }
    }
  }

  @Test func whatDoesNotEndInTimeIsReturnedWithoutARetry() async throws {
    let started = Signal()
    let type = try testType { _ in
      started.fire()
      await untilCancelled()
      throw TestFailure()
    }
    try await BrokerHarness.with { harness in
      let id = try await harness.submit(try waitingJob())
      try await harness.withWorker([type], configure: { $0.drainLimit = .milliseconds(50) }) {
        #expect(await started.wait(for: .seconds(20)))
        #expect(await $0.shutDown())
      }
      #expect(harness.authority.outcomes == [.returned])
      #expect(harness.authority.job(id)?.status == .waiting)
      #expect(harness.authority.job(id)?.retries == 0)
      // Its ticket is acknowledged; the server issues a new one.
      #expect(try await harness.isWorkedOff())
    }
  }

  @Test func whatIgnoresEverythingIsLeftBehind() async throws {
    let (started, release) = (Signal(), Signal())
    let type = try testType { _ in
      started.fire()
      _ = await Task.detached { await release.wait(for: .seconds(60)) }.value
      return nil
    }
    try await BrokerHarness.with { harness in
      try await harness.submit(try waitingJob())
      let hasty: (inout JobWorkerConfiguration) -> Void = {
        $0.drainLimit = .milliseconds(50)
        $0.grace = .milliseconds(50)
      }
      try await harness.withWorker([type], configure: hasty) {
        #expect(await started.wait(for: .seconds(20)))
        #expect(await $0.shutDown())
      }
      #expect(harness.authority.outcomes.isEmpty)
      #expect(try await harness.hasTicket())
      release.fire()
    }
  }

  @Test func aClaimWithoutAnAnswerIsGivenUp() async throws {
    let type = try testType { _ in nil }
    try await BrokerHarness.with { harness in
      harness.authority.isAway = true
      try await harness.submit(try waitingJob())
      try await harness.withWorker([type]) {
        #expect(await harness.authority.claims.wait { !$0.isEmpty })
        #expect(await $0.shutDown(within: .seconds(15)))
      }
      #expect(try await harness.hasTicket())
    }
  }

  @Test func aJobThatIsGrantedToADrainingWorkerIsGivenBack() async throws {
    let runs = Recorder<JobID>()
    let type = try testType { context in
      runs.add(context.jobID)
      return nil
    }
    try await BrokerHarness.with { harness in
      let gate = TestSupport.Signal()
      harness.authority.hold(until: gate)
      let id = try await harness.submit(try waitingJob())
      try await harness.withWorker([type], capacity: 2) { worker in
        #expect(await harness.authority.claims.wait { !$0.isEmpty })
        try await harness.issueTicket()
        #expect(try await harness.eventually(ready: 0))
        await worker.drain()
        // What is unclaimed goes back meanwhile.
        #expect(try await harness.eventually(ready: 1))
        gate.fire()
        #expect(await worker.ended.wait(for: .seconds(20)))
      }
      #expect(runs.all.isEmpty)
      #expect(harness.authority.outcomes == [.returned])
      #expect(harness.authority.job(id)?.status == .waiting)
      #expect(try await harness.hasTicket())
      #expect(try await harness.isWorkedOff())
    }
  }

  @Test func aSecondSignalGivesAllBackAtOnce() async throws {
    // Trapped here too, so that one which comes before the worker listens does not end the tests.
    let trap = await UnixSignalsSequence(trapping: .sigterm)
    let started = Signal()
    let type = try testType { _ in
      started.fire()
      await untilCancelled()
      try Task.checkCancellation()
      return nil
    }
    try await BrokerHarness.with { harness in
      try await harness.submit(try waitingJob())
      try await harness.withWorker(
        [type],
        configure: {
          $0.drainLimit = .seconds(600)
          $0.obeysSignals = true
        }
      ) { worker in
        #expect(await started.wait(for: .seconds(20)))
        await worker.drain()
        // Nobody outside can see the moment from which the worker listens.
        for _ in 0..<100 where !worker.ended.hasFired {
          kill(getpid(), SIGTERM)
          _ = await worker.ended.wait(for: .milliseconds(200))
          if !harness.authority.outcomes.isEmpty { break }
        }
        #expect(await worker.ended.wait(for: .seconds(20)))
      }
      #expect(harness.authority.outcomes == [.returned])
    }
    withExtendedLifetime(trap) {}
  }
}
