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
      store: fixture.store, plan: fixture.plan, broker: fixture.broker, names: fixture.names,
      clock: fixture.clock, log: fixture.log)
  }

  @Test("publishes a ticket for what is due, and for the rest when its time comes")
  func due() async throws {
    let fixture = try await ServerFixture()
    _ = try await fixture.jobs(3)
    _ = try await fixture.jobs(2, at: fixture.clock.now + .seconds(30))
    try await fixture.run([dispatcher(fixture)]) {
      try await fixture.broker.state.until("those that are due") {
        $0.confirmed(to: "compute").count == 3
      }
      try await fixture.clock.advance(by: .seconds(30), whenSleeping: 1)
      try await fixture.broker.state.until("the others") { $0.confirmed(to: "compute").count == 5 }
      for ticket in fixture.broker.state.value.confirmed {
        #expect(WireCoding.isTicket(ticket.message))
        #expect(ticket.message.properties.messageID == nil)
        #expect(ticket.message.body.isEmpty)
      }
      #expect(fixture.plan.owed(to: .compute) == 0)
    }
  }

  @Test("has a job become due that is stored for an earlier time than it waits for")
  func earlier() async throws {
    let fixture = try await ServerFixture()
    _ = try await fixture.jobs(1, at: fixture.clock.now + .seconds(50))
    try await fixture.run([dispatcher(fixture)]) {
      try await fixture.clock.state.until("asleep") { $0.sleeping > 0 }
      _ = try await fixture.jobs(1, at: fixture.clock.now + .seconds(10))
      try await fixture.clock.passing(by: .seconds(10)) {
        try await fixture.broker.state.until("a ticket") { $0.confirmed.count == 1 }
      }
      #expect(fixture.clock.now < ManualClock.start + .seconds(110))
    }
  }

  @Test("does not let 600 tickets that a queue refuses stand before another queue's")
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
      #expect(fixture.log.counters.refusedTickets >= 600)
    }
  }

  @Test("publishes again only what was not confirmed")
  func part() async throws {
    let fixture = try await ServerFixture()
    let left = Watched(7)
    fixture.broker.set { _ in
      left.update { left in
        defer { left -= 1 }
        return left > 0 ? .confirmed : .nacked
      }
    }
    _ = try await fixture.jobs(10)
    try await fixture.run([dispatcher(fixture)]) {
      try await fixture.broker.state.until("offered") { $0.offered.count == 10 }
      fixture.broker.set { _ in .confirmed }
      try await fixture.clock.passing(by: .seconds(1)) {
        try await fixture.broker.state.until("the rest") { $0.confirmed.count == 10 }
      }
      #expect(fixture.broker.state.value.offered.count == 13)
    }
  }

  @Test(
    "makes a queue anew whose process is gone, not one that seems empty or is full",
    arguments: [(true, true), (true, false), (false, true)])
  func broken(_ isEmpty: Bool, _ isBroken: Bool) async throws {
    let fixture = try await ServerFixture()
    _ = try await fixture.jobs(1)
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
        try await fixture.broker.state.until("published") { $0.confirmed.count == 1 }
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
      #expect(fixture.broker.state.value.offered(to: refusing.rawValue).count == 600)
    }
  }

  @Test("asks the store again while it cannot make jobs due, and publishes what is due meanwhile")
  func store() async throws {
    let fixture = try await ServerFixture()
    _ = try await fixture.jobs(1, at: fixture.clock.now + .seconds(1))
    try await fixture.breakStore()
    try await fixture.run([dispatcher(fixture)]) {
      for _ in 0..<3 { try await fixture.clock.advance(by: .seconds(30), whenSleeping: 1) }
      #expect(fixture.log.counters.storeFailures >= 2)
      _ = try await fixture.jobs(1, queue: refusing)
      try await fixture.broker.state.until("a ticket") {
        $0.confirmed(to: refusing.rawValue).count == 1
      }
      #expect(fixture.broker.state.value.confirmed(to: "compute").isEmpty)
      try await fixture.mendStore()
      try await fixture.clock.passing(by: .seconds(30)) {
        try await fixture.broker.state.until("the other") {
          $0.confirmed(to: "compute").count == 1
        }
      }
    }
  }

  @Test(
    "declares a queue that is missing as its broker needs it, and publishes its tickets then",
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
        try await broker.state.until("published") { $0.confirmed.count == 1 }
      }
    }
  }
}

@Suite("The counting of tickets", .timeLimit(.minutes(2))) struct TicketReconciliationTests {
  private let interval = TicketReconciliation<MemoryBroker>.interval

  private func reconciliation(
    _ fixture: ServerFixture, again: Signal = Signal()
  ) -> TicketReconciliation<MemoryBroker> {
    TicketReconciliation(
      store: fixture.store, plan: fixture.plan, claims: fixture.claims, parked: fixture.parked,
      broker: fixture.broker, names: fixture.names, again: again, clock: fixture.clock,
      log: fixture.log)
  }

  /// What is due is known of the store alone, as after a restart.
  private func restarted(_ fixture: ServerFixture) {
    _ = fixture.plan.take(atMost: .max, at: .zero)
    for queue in [JobQueueName.compute, .download] {
      fixture.plan.end(queue, missing: 0, at: .zero)
    }
  }

  private func tickets(_ count: Int) -> [Message] {
    (0..<count).map { _ in WireCoding.ticket() }
  }

  @Test("finds at the start what was not published, by queue")
  func start() async throws {
    let fixture = try await ServerFixture()
    _ = try await fixture.jobs(5)
    _ = try await fixture.jobs(2, queue: .download)
    restarted(fixture)
    let present = tickets(2)
    fixture.broker.state.update { state in
      state.queues["jobs.compute"] = present
      state.queues["jobs.download"] = present
    }
    try await fixture.run([reconciliation(fixture)]) {
      try await fixture.clock.state.until("it has looked") { $0.sleeping == 1 }
      #expect(fixture.plan.owed(to: .compute) == 3)
      #expect(fixture.plan.owed(to: .download) == 0)
    }
  }

  @Test("counts what is still to be published, and tickets too many do no harm")
  func enough() async throws {
    let fixture = try await ServerFixture()
    _ = try await fixture.jobs(5)
    let present = tickets(7)
    try await fixture.run([reconciliation(fixture)]) {
      try await fixture.clock.state.until("it has looked") { $0.sleeping == 1 }
      #expect(fixture.plan.owed(to: .compute) == 5)
      fixture.broker.state.update { $0.queues["jobs.compute"] = present }
      try await fixture.clock.advance(by: interval, whenSleeping: 1)
      try await fixture.clock.state.until("it has looked") { $0.sleeping == 1 }
      #expect(fixture.plan.owed(to: .compute) == 5)
    }
  }

  @Test("looks at a queue that was purged, unless somebody claims from it")
  func purged() async throws {
    let fixture = try await ServerFixture()
    let renewed = Watched<[JobQueueName]>([])
    var reconciliation = reconciliation(fixture)
    reconciliation.renew = { queue in renewed.update { $0.append(queue) } }
    _ = try await fixture.jobs(5)
    restarted(fixture)
    let present = tickets(5)
    fixture.broker.state.update { $0.queues["jobs.compute"] = present }
    try await fixture.run([reconciliation]) {
      try await fixture.clock.state.until("it has looked") { $0.sleeping == 1 }
      fixture.broker.state.update { $0.queues = [:] }
      // Somebody claims: what is in his hands is not missing.
      fixture.claims.note(.compute)
      try await fixture.clock.advance(by: interval, whenSleeping: 1)
      try await fixture.clock.state.until("it has looked") { $0.sleeping == 1 }
      #expect(fixture.plan.owed(to: .compute) == 0)
      try await fixture.clock.advance(by: interval, whenSleeping: 1)
      try await renewed.until("its consumers subscribe anew") { $0 == [.compute] }
      try await fixture.clock.state.until("it has looked") { $0.sleeping == 1 }
      #expect(fixture.plan.owed(to: .compute) == 5)
    }
  }

  @Test("looks at every queue when the broker is back")
  func back() async throws {
    let fixture = try await ServerFixture()
    let again = Signal()
    _ = try await fixture.jobs(5)
    restarted(fixture)
    let present = tickets(5)
    fixture.broker.state.update { $0.queues["jobs.compute"] = present }
    try await fixture.run([reconciliation(fixture, again: again)]) {
      try await fixture.clock.state.until("it has looked") { $0.sleeping == 1 }
      fixture.broker.state.update { $0.queues = [:] }
      fixture.claims.note(.compute)
      again.raise()
      let plan = fixture.plan
      while plan.owed(to: .compute) == 0 { await Task.yield() }
      #expect(plan.owed(to: .compute) == 5)
    }
  }

  @Test(
    "declares a queue that is gone as its broker needs it",
    arguments: [BrokerInfo.Version(3, 10, 8), BrokerInfo.Version(4, 1)])
  func gone(_ version: BrokerInfo.Version) async throws {
    let fixture = try await ServerFixture()
    _ = try await fixture.jobs(1)
    restarted(fixture)
    fixture.broker.state.update { state in
      state.version = version
      state.gone = ["jobs.compute"]
    }
    let expected = JobTopology.work(fixture.names, queues: [.compute], broker: version).queues
    try await fixture.run([reconciliation(fixture)]) {
      try await fixture.broker.state.until("declared") { $0.declared == expected }
      try await fixture.clock.state.until("it has looked") { $0.sleeping == 1 }
      #expect(fixture.plan.owed(to: .compute) == 1)
    }
  }
}
