import Jobs
import TestSupport
import Testing

@testable import JobWorker

/// Services with different types that share a queue.
@Suite(.needsBroker, .timeLimit(.minutes(2))) struct WorkerParkingTests {
  @Test func whatAWorkerCannotRunIsLeftToAnotherAndItsOwnJobsPass() async throws {
    let (mine, theirs) = (try testType("mine") { _ in nil }, try testType("theirs") { _ in nil })
    try await BrokerHarness.with { harness in
      let other = try await harness.submit(try waitingJob("test:theirs"))
      try await harness.withWorker([mine]) { _ in
        #expect(await harness.authority.waitForPark())
        // The one that it can run is behind the other.
        let own = try await harness.submit(try waitingJob("test:mine"))
        #expect(await harness.authority.waitForOutcomes())
        #expect(harness.authority.job(own)?.status == .completed)
        #expect(harness.authority.job(other)?.status == .waiting)
        try await harness.withWorker([theirs]) { _ in
          #expect(await harness.authority.waitForOutcomes(2))
        }
      }
      #expect(harness.authority.job(other)?.status == .completed)
    }
  }

  @Test func aParkedWorkerStopsConsumingUntilItIsWoken() async throws {
    let mine = try testType("mine") { _ in nil }
    try await BrokerHarness.with { harness in
      try await harness.submit(try waitingJob("test:theirs"))
      try await harness.withWorker([mine], capacity: 3) { worker in
        #expect(await harness.authority.waitForPark())
        #expect(try await harness.eventually(ready: 1, consumers: 0))
        // A server that was restarted learns of it.
        try await harness.command(.announce, to: worker.id)
        #expect(await harness.announced(worker.id) { $0.parked == [.compute] })

        let own = try await harness.submit(try waitingJob("test:mine"))
        #expect(await harness.authority.waitForOutcomes())
        #expect(harness.authority.job(own)?.status == .completed)
        // For the other one it is told to park again.
        #expect(try await harness.eventually(ready: 1, consumers: 0))
      }
      #expect(try await harness.hasTicket())
      #expect(try await harness.isWorkedOff())
    }
  }

  @Test func aParkedQueueHoldsUpNoOther() async throws {
    let mine = RegisteredJobType(
      try JobType(
        group: JobGroup("other", queue: .download), name: "job", params: NoParams()
      ) { _, _ in })
    let inCompute = try testType("mine") { _ in nil }
    try await BrokerHarness.with { harness in
      try await harness.submit(try waitingJob("test:theirs"))
      try await harness.withWorker([mine, inCompute]) { worker in
        #expect(await harness.authority.waitForPark())
        try await harness.submit(try waitingJob("other:job", queue: .download))
        #expect(await harness.authority.waitForOutcomes())
        try await harness.command(.announce, to: worker.id)
        #expect(await harness.announced(worker.id) { $0.parked == [.compute] })
      }
    }
  }
}
