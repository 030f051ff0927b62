import AMQP
import JobTransport
import Jobs
import TestSupport
import Testing

@testable import JobWorker

@Suite(.needsBroker, .timeLimit(.minutes(2))) struct WorkerJobTests {
  @Test func aTicketIsClaimedRunReportedAndAcknowledged() async throws {
    let type = try testType { context in
      context.progress(50)
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
      try await harness.issueTicket()
      try await harness.withWorker([type]) { _ in
        #expect(await harness.authority.waitForVoid())
        try await harness.submit(try waitingJob())
        #expect(await harness.authority.waitForOutcomes())
      }
      #expect(try await harness.isWorkedOff())
    }
  }

  @Test func aClaimWithoutAnAnswerIsAskedAgainUnderTheSameID() async throws {
    let type = try testType { _ in nil }
    try await BrokerHarness.with { harness in
      harness.authority.isAway = true
      try await harness.submit(try waitingJob())
      try await harness.withWorker([type]) { _ in
        #expect(await harness.authority.claims.wait { $0.count == 2 })
        harness.authority.isAway = false
        #expect(await harness.authority.waitForOutcomes())
      }
      let claims = harness.authority.claims.all
      #expect(Set(claims.map(\.claim)).count == 1)
      #expect(claims.map(\.isRepeated) == [false] + claims.dropFirst().map { _ in true })
      #expect(try await harness.isWorkedOff())
    }
  }

  @Test func aWorkerThatWasTakenForLostAnnouncesItselfUnderANewEpochAndGoesOn() async throws {
    let type = try testType { _ in nil }
    try await BrokerHarness.with { harness in
      harness.authority.demandEpoch(2)
      try await harness.withWorker([type]) { worker in
        #expect(await harness.announced(worker.id) { $0.epoch == 1 })
        try await harness.submit(try waitingJob())
        #expect(await harness.announced(worker.id) { $0.epoch == 2 })
        #expect(await harness.authority.waitForOutcomes())
        #expect(await harness.announcedLast(worker.id) { $0.epoch == 2 })
      }
      let claims = harness.authority.claims.all
      #expect(claims.last?.epoch == 2)
      // Each is a new wish.
      #expect(Set(claims.map(\.claim)).count == claims.count)
      #expect(try await harness.isWorkedOff())
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
        #expect(harness.authority.claims.all.map(\.count).reduce(0, +) == 4)
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

  @Test func aJobMessagePublishedByHandIsForwarded() async throws {
    let type = try testType { _ in nil }
    try await BrokerHarness.with { harness in
      var message = Message(text: #"{"path": "a"}"#)
      message.properties.type = "test:job"
      message.properties.userID = "guest"
      message.properties.headers["note"] = "kept"
      let sent = message
      try await harness.publish(sent)
      try await harness.withWorker([type]) { _ in
        let forwarded = try #require(try await harness.next(in: harness.names.submit))
        #expect(forwarded.body == sent.body)
        #expect(forwarded.properties.type == "test:job")
        #expect(forwarded.properties.headers["note"]?.stringValue == "kept")
        // It is still its sender's: the worker need not be one who may submit.
        #expect(forwarded.properties.userID == "guest")
      }
      #expect(try await harness.isWorkedOff())
    }
  }

  @Test(arguments: [nil, "nonsense"])
  func whatIsNeitherTicketNorJobMessageIsForwardedToo(kind: String?) async throws {
    let type = try testType { _ in nil }
    try await BrokerHarness.with { harness in
      var message = Message(text: "?")
      message.properties.type = kind
      let sent = message
      try await harness.publish(sent)
      try await harness.withWorker([type]) { _ in
        // There the server makes it a dead letter.
        let forwarded = try #require(try await harness.next(in: harness.names.submit))
        #expect(forwarded.body == sent.body)
        // Nothing behind it is held up.
        try await harness.submit(try waitingJob())
        #expect(await harness.authority.waitForOutcomes())
      }
    }
  }
}
