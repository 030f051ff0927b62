import AMQP
import JobTransport
import Jobs
import TestSupport
import Testing

@testable import JobWorker

@Suite(.needsBroker, .timeLimit(.minutes(2))) struct WorkerJobTests {
  @Test func aTicketIsClaimedRunReportedAndAcknowledged() async throws {
    let type = try testType { context in
      try context.progress(50)
      return ["attempt": .integer(Int64(context.assignment.attempt))]
    }
    try await BrokerHarness.with { harness in
      let id = try await harness.submit(try waitingJob())
      try await harness.withWorker([type]) { worker in
        #expect(await harness.authority.waitForOutcomes())
        #expect(harness.authority.job(id)?.status == .completed)
        #expect(harness.authority.job(id)?.result == ["attempt": 1])
        #expect(harness.authority.job(id)?.worker == worker.id)
      }
      #expect(try await harness.isWorkedOff())
    }
  }

  @Test func aVoidTicketIsDropped() async throws {
    let type = try testType { _ in nil }
    try await BrokerHarness.with { harness in
      let stranger = try waitingJob()
      try await harness.issue(stranger)
      try await harness.withWorker([type]) { _ in
        try await harness.submit(try waitingJob())
        #expect(await harness.authority.waitForOutcomes())
      }
      #expect(harness.authority.claims.all.map(\.job).contains(stranger.id))
      #expect(try await harness.isWorkedOff())
    }
  }

  @Test func anUnsettledClaimIsAskedAgainUnderTheSameID() async throws {
    let type = try testType { _ in nil }
    try await BrokerHarness.with { harness in
      harness.authority.askAgain(times: 2)
      try await harness.submit(try waitingJob())
      try await harness.withWorker([type]) { _ in
        #expect(await harness.authority.waitForOutcomes())
      }
      #expect(harness.authority.claims.all.count == 3)
      #expect(Set(harness.authority.claims.all.map(\.claim)).count == 1)
    }
  }

  @Test func noMoreRunAtOnceThanTheCapacity() async throws {
    let running = Recorder<Int>()
    let release = TestSupport.Signal()
    let type = try testType { _ in
      running.add(1)
      _ = await release.wait(for: .seconds(60))
      running.add(-1)
      return nil
    }
    try await BrokerHarness.with { harness in
      for _ in 0..<60 { try await harness.submit(try waitingJob()) }
      try await harness.withWorker([type], capacity: 4) { worker in
        #expect(await running.wait(for: .seconds(30)) { $0.count == 4 })
        // A fifth would be claimed by the time that a question has gone to the worker and back.
        try await harness.expect(.unknown, of: JobID(), by: worker.id)
        #expect(harness.authority.claims.all.count == 4)
        release.fire()
        #expect(await harness.authority.waitForOutcomes(60))
      }
      var present = 0
      var most = 0
      for step in running.all {
        present += step
        most = max(most, present)
      }
      #expect(running.all.count == 120)
      #expect(most == 4)
    }
  }

  @Test func aTicketOfAnUnknownTypeIsLeftToAnotherWorker() async throws {
    let (mine, theirs) = (try testType("mine") { _ in nil }, try testType("theirs") { _ in nil })
    try await BrokerHarness.with { harness in
      let other = try await harness.submit(try waitingJob("test:theirs"))
      try await harness.withWorker([mine]) { _ in
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
      #expect(try await harness.isWorkedOff())
    }
  }

  @Test func aJobMessagePublishedByHandIsForwarded() async throws {
    let type = try testType { _ in nil }
    try await BrokerHarness.with { harness in
      var message = Message(text: #"{"path": "a"}"#)
      message.properties.type = "test:job"
      message.properties.headers["x-death"] = .array([])
      message.properties.headers["note"] = "kept"
      let sent = message
      try await harness.publishToWork(sent)
      try await harness.withWorker([type]) { _ in
        let forwarded = try #require(try await harness.next(in: harness.names.submit))
        #expect(forwarded.body == sent.body)
        #expect(forwarded.properties.type == "test:job")
        #expect(forwarded.properties.headers["note"]?.stringValue == "kept")
        #expect(forwarded.properties.headers["x-death"] == nil)
      }
      #expect(try await harness.isWorkedOff())
    }
  }

  @Test(arguments: [nil, "nonsense", "warren.ticket"])
  func whatIsNeitherTicketNorJobMessageBecomesADeadLetter(kind: String?) async throws {
    let type = try testType { _ in nil }
    try await BrokerHarness.with { harness in
      var message = Message(text: "?")
      message.properties.type = kind
      let sent = message
      try await harness.publishToWork(sent)
      try await harness.withWorker([type]) { _ in
        let letter = try #require(try await harness.next(in: harness.names.dead))
        #expect(letter.body == sent.body)
        #expect(letter.properties.headers[DeadLetter.reason]?.stringValue == "not-a-ticket")
        #expect(
          letter.properties.headers[DeadLetter.foundIn]?.stringValue
            == harness.names.queue(.compute))
        // Nothing behind it is held up.
        try await harness.submit(try waitingJob())
        #expect(await harness.authority.waitForOutcomes())
      }
    }
  }
}

extension BrokerHarness {
  fileprivate func publishToWork(_ message: Message) async throws {
    let verdict = await connection.publish(
      Publication(message, exchange: "", routingKey: names.queue(.compute), mandatory: true))
    #expect(verdict == .confirmed)
  }
}
