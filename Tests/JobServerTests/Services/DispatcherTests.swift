import AMQP
import Foundation
import JobStore
import JobTransport
import Jobs
import Testing

@testable import JobServer

@Suite("The dispatcher", .timeLimit(.minutes(2))) struct DispatcherTests {
  private let refusing = JobQueueName.download

  private func dispatcher(_ fixture: ServerFixture) -> Dispatcher<MemoryBroker> {
    Dispatcher(
      store: fixture.store, broker: fixture.broker, names: fixture.names, work: fixture.hub.work,
      clock: fixture.clock, log: fixture.log)
  }

  @Test("issues a ticket for what is due, and for the rest when its time comes")
  func due() async throws {
    let fixture = try await ServerFixture()
    let now = try await fixture.jobs(1)[0]
    let later = try await fixture.jobs(1, at: fixture.clock.now + .seconds(30))[0]
    try await fixture.run([dispatcher(fixture)]) {
      try await fixture.changes.until("noted") { $0.contains { $0.job.ticketIssued } }
      #expect(try await fixture.store.job(now.id)?.ticketIssued == true)
      #expect(fixture.broker.state.value.confirmed(to: "compute").count == 1)
      try await fixture.clock.advance(by: .seconds(30), whenSleeping: 1)
      try await fixture.broker.state.until("the other") { $0.confirmed(to: "compute").count == 2 }
      #expect(
        fixture.broker.state.value.confirmed.map(\.message.properties.messageID)
          == [now.id.description, later.id.description])
    }
  }

  @Test("does not let 600 jobs of a queue that refuses tickets stand before another queue's job")
  func refusal() async throws {
    let fixture = try await ServerFixture()
    let refusing = refusing
    _ = try await fixture.jobs(600, queue: refusing)
    _ = try await fixture.jobs(1, at: ManualClock.start + .seconds(1))
    fixture.broker.set { $0.routingKey == refusing.rawValue ? .nacked : .confirmed }
    try await fixture.run([dispatcher(fixture)]) {
      try await fixture.broker.state.until("the other's ticket") {
        !$0.confirmed(to: "compute").isEmpty
      }
      // It is left alone until its time comes, however often there is something to do.
      try await fixture.clock.state.until("idle") { $0.sleeping > 0 }
      let tries = fixture.broker.state.value.offered(to: refusing.rawValue).count
      #expect(tries <= 600)
      fixture.broker.set { _ in .confirmed }
      try await fixture.clock.passing(by: .seconds(31)) {
        try await fixture.broker.state.until("all") {
          $0.confirmed(to: refusing.rawValue).count == 600
        }
      }
      #expect(fixture.log.counters.refusedTickets >= 500)
    }
  }

  @Test(
    "makes a queue anew whose process is gone, not one that seems empty or is full",
    arguments: [(true, true), (true, false), (false, true)])
  func broken(_ isEmpty: Bool, _ isBroken: Bool) async throws {
    let fixture = try await ServerFixture()
    let job = try await fixture.jobs(1)[0]
    let broker = fixture.broker
    if !isEmpty {
      broker.state.update { $0.queues["jobs.compute"] = [Message(body: [1])] }
    }
    broker.set { [broker] _ in broker.state.value.deleted.isEmpty ? .nacked : .confirmed }
    let renewed = Watched<[JobQueueName]>([])
    var dispatcher = dispatcher(fixture)
    dispatcher.isBroken = { _ in isBroken }
    dispatcher.renew = { queue in renewed.update { $0.append(queue) } }
    try await fixture.run([dispatcher]) {
      try await fixture.broker.state.until("refused") { $0.offered.count == 1 }
      #expect(fixture.broker.state.value.deleted.isEmpty)
      guard isEmpty, isBroken else {
        try await fixture.clock.passing(by: .seconds(31)) {
          try await fixture.broker.state.until("refused") { $0.offered.count >= 4 }
        }
        #expect(fixture.broker.state.value.deleted.isEmpty)
        return
      }
      try await fixture.clock.passing(by: .seconds(31)) {
        try await fixture.changes.until("issued") { changes in
          changes.contains { $0.job.id == job.id && $0.job.ticketIssued }
        }
      }
      let state = fixture.broker.state.value
      #expect(state.deleted == ["jobs.compute"])
      #expect(state.declared.contains { $0.name == "jobs.compute" })
      #expect(renewed.value == [.compute])
    }
  }

  @Test("does not wait for a queue of which the broker says nothing")
  func silence() async throws {
    let fixture = try await ServerFixture()
    let refusing = refusing
    _ = try await fixture.jobs(600, queue: refusing)
    fixture.broker.set { publication in
      if publication.routingKey == refusing.rawValue { await MemoryBroker.silence() }
      return .confirmed
    }
    try await fixture.run([dispatcher(fixture)]) {
      try await fixture.broker.state.until("silent") { !$0.offered.isEmpty }
      for _ in 0..<3 {
        let count = fixture.broker.state.value.confirmed.count
        _ = try await fixture.jobs(1)
        try await fixture.broker.state.until("the next ticket") { $0.confirmed.count > count }
      }
      #expect(fixture.broker.state.value.offered(to: refusing.rawValue).count == 500)
    }
  }

  @Test("publishes a ticket once while the store cannot note it")
  func store() async throws {
    let fixture = try await ServerFixture()
    let job = try await fixture.jobs(1)[0]
    try await fixture.breakStore("UPDATE OF ticket_issued ON jobs")
    try await fixture.run([dispatcher(fixture)]) {
      for _ in 0..<5 {
        fixture.hub.work.raise()
        try await fixture.clock.advance(by: .seconds(30), whenSleeping: 1)
        try await fixture.clock.state.until("tried again") { $0.sleeping >= 1 }
      }
      #expect(fixture.broker.state.value.offered.count == 1)
      #expect(fixture.log.counters.storeFailures >= 2)
      try await fixture.mendStore()
      try await fixture.clock.passing(by: .seconds(30)) {
        try await fixture.changes.until("noted") { $0.contains { $0.job.ticketIssued } }
      }
      #expect(fixture.broker.state.value.offered.count == 1)
      #expect(try await fixture.store.job(job.id)?.ticketIssued == true)
    }
  }

  @Test("passes by a row that cannot be read, whose job fails")
  func unreadable() async throws {
    let fixture = try await ServerFixture()
    let bad = try await fixture.jobs(1)[0]
    try await fixture.execute("UPDATE job_payloads SET params = '{'")
    let good = try await fixture.jobs(1)[0]
    try await fixture.run([dispatcher(fixture)]) {
      try await fixture.broker.state.until("a ticket") { !$0.confirmed.isEmpty }
      try await fixture.until(bad, is: .failed)
      #expect(
        fixture.broker.state.value.offered.map(\.message.properties.messageID)
          == [good.id.description])
    }
  }

  @Test(
    "declares a queue that is missing as its broker needs it, and issues its tickets then",
    arguments: [BrokerInfo.Version(3, 10, 8), BrokerInfo.Version(4, 1)])
  func missing(_ version: BrokerInfo.Version) async throws {
    let fixture = try await ServerFixture()
    let broker = fixture.broker
    broker.state.update { $0.version = version }
    let expected = JobTopology.work(fixture.names, queues: [.compute], broker: version).queues
    broker.set { [broker] _ in
      broker.state.value.declared.isEmpty
        ? .returned(replyCode: 312, text: "NO_ROUTE") : .confirmed
    }
    _ = try await fixture.jobs(1)
    try await fixture.run([dispatcher(fixture)]) {
      try await broker.state.until("declared") { $0.declared == expected }
      try await fixture.clock.passing(by: .seconds(1)) {
        try await broker.state.until("issued") { $0.confirmed.count == 1 }
      }
    }
  }
}
