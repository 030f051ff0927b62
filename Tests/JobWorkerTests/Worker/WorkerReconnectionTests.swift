import Jobs
import TestSupport
import Testing

@testable import JobWorker

/// On a broker of their own: they close all of its connections.
@Suite(.needsBroker, .timeLimit(.minutes(3)), .serialized) struct WorkerReconnectionTests {
  @Test func aRunningJobIsKeptAndNotRunAgain() async throws {
    let (started, release) = (Signal(), Signal())
    let runs = Recorder<Int>()
    let type = try testType { context in
      runs.add(context.assignment.attempt)
      started.fire()
      _ = await release.wait(for: .seconds(90))
      return "once"
    }
    try await ThrowawayBroker.with { broker in
      try await BrokerHarness.with(broker) { harness in
        let id = try await harness.submit(try waitingJob())
        try await harness.withWorker([type]) { worker in
          #expect(await started.wait(for: .seconds(20)))
          try await broker.control("close_all_connections", "test")
          #expect(await harness.announced(worker.id, times: 2))
          try await harness.expect(.running, of: id, by: worker.id)
          release.fire()
          #expect(await harness.authority.waitForOutcomes())
          // The ticket that was delivered anew is claimed after the end, and void.
          #expect(await harness.authority.claims.wait { $0.count == 2 })
        }
        #expect(runs.all == [1])
        #expect(harness.authority.outcomes == [.completed(result: "once")])
        #expect(try await harness.isWorkedOff())
      }
    }
  }

  @Test func theCapacityHoldsForJobsFromBeforeAndAfter() async throws {
    let (started, release) = (Signal(), Signal())
    let steps = Recorder<String>()
    let (first, second) = (try waitingJob(), try waitingJob())
    let type = try testType { context in
      let name = context.jobID == first.id ? "first" : "second"
      steps.add("\(name) begins")
      started.fire()
      if context.jobID == first.id { _ = await release.wait(for: .seconds(90)) }
      steps.add("\(name) ends")
      return nil
    }
    try await ThrowawayBroker.with { broker in
      try await BrokerHarness.with(broker) { harness in
        try await harness.submit(first)
        try await harness.withWorker([type]) { worker in
          #expect(await started.wait(for: .seconds(20)))
          try await broker.control("close_all_connections", "test")
          #expect(await harness.announced(worker.id, times: 2))
          try await harness.submit(second)
          try await harness.expect(.running, of: first.id, by: worker.id)
          release.fire()
          #expect(await harness.authority.waitForOutcomes(2))
          // One ticket is left of the two.
          #expect(await harness.authority.waitForVoid())
        }
        #expect(steps.all == ["first begins", "first ends", "second begins", "second ends"])
        #expect(try await harness.isWorkedOff())
      }
    }
  }

  @Test func aClaimThatIsNotAnsweredOutlivesTheConnection() async throws {
    let runs = Recorder<JobID>()
    let type = try testType { context in
      runs.add(context.jobID)
      return nil
    }
    try await ThrowawayBroker.with { broker in
      try await BrokerHarness.with(broker) { harness in
        try await harness.withWorker([type]) { worker in
          harness.authority.isAway = true
          try await harness.submit(try waitingJob())
          #expect(await harness.authority.claims.wait { !$0.isEmpty })
          try await broker.control("close_all_connections", "test")
          #expect(await harness.announced(worker.id, times: 2))
          harness.authority.isAway = false
          #expect(await harness.authority.waitForOutcomes())
          // Its ticket came again.
          #expect(await harness.authority.waitForVoid())
        }
        #expect(runs.all.count == 1)
        let answered = harness.authority.claims.all.dropLast()
        #expect(Set(answered.map(\.claim)).count == 1)
        #expect(try await harness.isWorkedOff())
      }
    }
  }

  @Test func aBrokerThatStopsAndStartsLosesNothing() async throws {
    let runs = Recorder<JobID>()
    let (started, release) = (Signal(), Signal())
    let type = try testType { context in
      runs.add(context.jobID)
      started.fire()
      _ = await release.wait(for: .seconds(120))
      return nil
    }
    try await ThrowawayBroker.with { broker in
      try await BrokerHarness.with(broker) { harness in
        for _ in 0..<3 { try await harness.submit(try waitingJob()) }
        try await harness.withWorker([type]) { worker in
          #expect(await started.wait(for: .seconds(20)))
          try await broker.stop()
          release.fire()
          #expect(await harness.authority.waitForOutcomes())
          try await broker.start()
          #expect(await harness.announced(worker.id, times: 2))
          #expect(await harness.authority.waitForOutcomes(3, for: .seconds(60)))
          #expect(await harness.authority.waitForVoid())
        }
        #expect(Set(runs.all).count == 3)
        #expect(runs.all.count == 3)
        #expect(try await harness.isWorkedOff())
      }
    }
  }
}
