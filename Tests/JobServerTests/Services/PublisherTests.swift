import AMQP
import Foundation
import JobStore
import JobTransport
import Jobs
import Testing

@testable import JobServer

@Suite("The publisher of replies", .timeLimit(.minutes(2))) struct ReplyPublisherTests {
  private func publisher(_ fixture: ServerFixture) -> ReplyPublisher<MemoryBroker> {
    ReplyPublisher(
      store: fixture.store, broker: fixture.broker, endings: fixture.hub.endings,
      clock: fixture.clock, log: fixture.log)
  }

  private func ended(_ fixture: ServerFixture, _ addresses: [String]) async throws -> [Job] {
    var jobs: [Job] = []
    for address in addresses {
      jobs += try await fixture.jobs(1) { job in
        job.status = .completed
        job.replies = [JobReply(address: address, correlationID: "7")]
      }
    }
    return jobs
  }

  @Test("tells each producer once, and forgets one that is gone")
  func told() async throws {
    let fixture = try await ServerFixture()
    let jobs = try await ended(fixture, ["here", "gone"])
    fixture.broker.set {
      $0.routingKey == "here" ? .confirmed : .returned(replyCode: 312, text: "NO_ROUTE")
    }
    try await fixture.run([publisher(fixture)]) {
      try await fixture.untilNobodyIsToBeTold()
      let letters = fixture.broker.state.value.confirmed(to: "here")
      #expect(letters.count == 1)
      #expect(letters[0].message.properties.correlationID == "7")
      #expect(letters[0].message.properties.messageID == jobs[0].id.description)
    }
  }

  @Test("tells a producer once though its job's row does not take that it was told")
  func unnotable() async throws {
    let fixture = try await ServerFixture()
    _ = try await ended(fixture, ["here"])
    try await fixture.execute(
      "CREATE TRIGGER stay BEFORE UPDATE OF replies ON payload BEGIN SELECT raise(ABORT, 'no'); END"
    )
    try await fixture.run([publisher(fixture)]) {
      try await fixture.broker.state.until("told") { !$0.confirmed(to: "here").isEmpty }
      let other = try await ended(fixture, ["there"])
      fixture.hub.endings.raise()
      try await fixture.broker.state.until("told too") { !$0.confirmed(to: "there").isEmpty }
      // Both are pending still, and are looked through once more.
      fixture.hub.endings.raise()
      _ = try await ended(fixture, ["last"])
      fixture.hub.endings.raise()
      try await fixture.broker.state.until("last") { !$0.confirmed(to: "last").isEmpty }
      let told = fixture.broker.state.value
      #expect(told.confirmed(to: "here").count == 1)
      #expect(told.confirmed(to: "there").count == 1)
      #expect(
        try await fixture.store.pendingReplies(after: 0, limit: 9).map(\.job.id).contains(
          other[0].id))
    }
  }

  @Test("reaches the others behind 300 addresses of which the broker says nothing")
  func silence() async throws {
    let fixture = try await ServerFixture()
    _ = try await ended(fixture, (0..<300).map { "silent-\($0)" } + ["here"])
    fixture.broker.set { publication in
      if publication.routingKey != "here" { await MemoryBroker.silence() }
      return .confirmed
    }
    try await fixture.run([publisher(fixture)]) {
      try await fixture.broker.state.until("told") { !$0.confirmed(to: "here").isEmpty }
      _ = try await ended(fixture, ["here"])
      fixture.hub.endings.raise()
      try await fixture.broker.state.until("told too") { $0.confirmed(to: "here").count == 2 }
    }
  }

  @Test("tries an address that refuses again, less and less often")
  func refusal() async throws {
    let fixture = try await ServerFixture()
    _ = try await ended(fixture, (0..<250).map { "full-\($0)" } + ["here"])
    fixture.broker.set { $0.routingKey == "here" ? .confirmed : .nacked }
    try await fixture.run([publisher(fixture)]) {
      try await fixture.broker.state.until("all tried") { $0.offered.count >= 251 }
      try await fixture.broker.state.until("told") { !$0.confirmed(to: "here").isEmpty }
      fixture.hub.endings.raise()
      try await fixture.clock.state.until("idle") { $0.sleeping > 0 }
      #expect(fixture.broker.state.value.offered(to: "full-0").count == 1)
      fixture.broker.set { _ in .confirmed }
      try await fixture.clock.advance(by: .seconds(3), whenSleeping: 1)
      try await fixture.broker.state.until("tried again") {
        $0.confirmed.count == 251
      }
      #expect(fixture.log.counters.failedReplies == 250)
    }
  }

  @Test("tells nobody twice while the store cannot note it")
  func store() async throws {
    let fixture = try await ServerFixture()
    _ = try await ended(fixture, ["here"])
    try await fixture.breakStore("UPDATE OF replies ON payload")
    try await fixture.run([publisher(fixture)]) {
      for _ in 0..<3 {
        fixture.hub.endings.raise()
        try await fixture.clock.advance(by: .seconds(30), whenSleeping: 1)
      }
      try await fixture.mendStore()
      try await fixture.clock.passing(by: .seconds(30)) {
        try await fixture.untilNobodyIsToBeTold()
      }
      #expect(fixture.broker.state.value.offered.count == 1)
    }
  }
}

@Suite("The publisher of events", .timeLimit(.minutes(2))) struct EventPublisherTests {
  private func publisher(_ fixture: ServerFixture) -> EventPublisher<MemoryBroker> {
    EventPublisher(
      queue: fixture.hub.events, broker: fixture.broker, names: fixture.names,
      clock: fixture.clock, log: fixture.log)
  }

  private static let unroutable = PublishVerdict.returned(replyCode: 312, text: "NO_ROUTE")

  private func sequences(_ publications: [Publication]) throws -> [Int64] {
    try publications.map {
      try JSONDecoder().decode(JobEvent.self, from: Data($0.message.body)).sequence
    }
  }

  @Test("publishes every transition, in order")
  func order() async throws {
    let fixture = try await ServerFixture()
    try await fixture.run([publisher(fixture)]) {
      let jobs = try await fixture.jobs(200)
      for job in jobs { _ = try await fixture.service.cancel(job.id, tenant: .zero) }
      try await fixture.broker.state.until("all") { $0.confirmed.count == 400 }
      let sequences = try sequences(fixture.broker.state.value.confirmed)
      #expect(sequences == sequences.sorted())
      #expect(
        fixture.broker.state.value.confirmed.last?.routingKey == "canceled.compute.test.job")
    }
  }

  @Test("leaves out for a moment what nobody is bound for, and publishes the rest in order")
  func unwanted() async throws {
    let fixture = try await ServerFixture()
    let unroutable = Self.unroutable
    fixture.broker.set { $0.routingKey.hasPrefix("waiting.") ? unroutable : .confirmed }
    try await fixture.run([publisher(fixture)]) {
      let jobs = try await fixture.jobs(300)
      for job in jobs { _ = try await fixture.service.cancel(job.id, tenant: .zero) }
      try await fixture.broker.state.until("all that are wanted") { $0.confirmed.count == 300 }
      let state = fixture.broker.state.value
      // One batch finds out; the clock stands still since.
      #expect(state.offered(to: "waiting.compute.test.job").count <= 64)
      let sequences = try sequences(state.confirmed)
      #expect(sequences == sequences.sorted())
      // Somebody is bound now, and hears of it as soon as the moment is over.
      fixture.broker.set { _ in .confirmed }
      fixture.clock.advance(by: EventRoutes.holdOff)
      _ = try await fixture.jobs(3)
      try await fixture.broker.state.until("the new ones") {
        $0.confirmed(to: "waiting.compute.test.job").count == 3
      }
      #expect(fixture.log.counters.lostEvents == 0)
    }
  }

  @Test("counts what the broker does not take, and goes on")
  func refusal() async throws {
    let fixture = try await ServerFixture()
    fixture.broker.set { _ in .nacked }
    try await fixture.run([publisher(fixture)]) {
      _ = try await fixture.jobs(3)
      try await fixture.broker.state.until("refused") { $0.offered.count == 3 }
      fixture.broker.set { _ in .confirmed }
      _ = try await fixture.jobs(1)
      try await fixture.broker.state.until("the next") { $0.confirmed.count == 1 }
      #expect(fixture.log.counters.lostEvents == 3)
    }
  }
}
