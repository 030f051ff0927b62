import AMQP
import Foundation
import JobStore
import JobTransport
import Jobs
import Testing

@testable import JobServer

/// Workers as the server finds them: those that answer, those that do not, and those that are gone.
private struct Workers: Sendable {
  let silent = WorkerID(rawValue: "silent")
  let present = WorkerID(rawValue: "present")
  let gone = WorkerID(rawValue: "gone")

  /// What a worker answers that says the same of all it is asked about.
  static func answer(
    _ question: Publication, _ state: AttemptState
  ) -> Result<Message, AMQPError> {
    guard let attempts = attempts(question),
      let reply = try? WireCoding.message(ControlReply.attempts(attempts.map { _ in state }))
    else { return .failure(.timeout("an answer")) }
    return .success(reply)
  }

  /// What it is asked about.
  static func attempts(_ question: Publication) -> [RunningAttempt]? {
    guard case .confirm(let attempts)? = try? WireCoding.command(question.message) else {
      return nil
    }
    return attempts
  }

  func install(in fixture: ServerFixture) throws {
    fixture.broker.set(answer: { publication in
      switch publication.routingKey {
      case "silent":
        await MemoryBroker.silence()
        return .failure(.cancelled)
      case "present": return Self.answer(publication, .running)
      default: return .failure(.returned(code: 312, text: "NO_ROUTE"))
      }
    })
    let broker = fixture.broker
    broker.set { [broker] publication in
      if publication.exchange == "jobs.control", publication.routingKey == "gone" {
        return .returned(replyCode: 312, text: "NO_ROUTE")
      }
      // The mark that comes back: everything before it has been applied.
      if publication.routingKey == "jobs.reports",
        case .mark(let mark)? = try? WireCoding.workerMessage(publication.message)
      {
        fixture.inbox.reach(mark)
      }
      _ = broker
      return .confirmed
    }
  }
}

@Suite("Recovery", .timeLimit(.minutes(2))) struct RecoveryServiceTests {
  private let workers = Workers()

  @Test("settles the jobs of the gone while another worker is silent, and asks nobody twice")
  func silence() async throws {
    let fixture = try await ServerFixture()
    try workers.install(in: fixture)
    let lost = try await fixture.running(60, by: workers.gone)
    let held = try await fixture.running(60, by: workers.present)
    _ = try await fixture.running(60, by: workers.silent)
    let (events, event) = AsyncStream.makeStream(of: ConnectionEvent.self)
    let recovery = Recovery(
      store: fixture.store, examiner: fixture.examiner, control: fixture.control,
      initializer: fixture.initializer, events: events, work: fixture.hub.work,
      clock: fixture.clock, log: fixture.log)
    try await fixture.run([recovery]) {
      event.yield(.connected(generation: 1))
      for job in lost { try await fixture.until(job, is: .waiting) }
      try await fixture.broker.state.until("the present were asked") { state in
        state.asked.filter { $0.routingKey == "present" }
          .compactMap(Workers.attempts).joined().count >= held.count
      }
      for job in held { #expect(try await fixture.status(job) == .running) }
      let asked = fixture.broker.state.value.asked
      #expect(asked.filter { $0.routingKey == "silent" }.count == 1)
      let present = asked.filter { $0.routingKey == "present" }.compactMap(Workers.attempts)
      #expect(present.joined().count == held.count)
      // The next connection is not held up by the one who says nothing.
      event.yield(.connected(generation: 2))
      try await fixture.broker.state.until("all are asked who they are again") { state in
        state.confirmed(to: "*").count == 2
      }
    }
  }

  @Test("lets a job that stands between two statuses go on")
  func resuming() async throws {
    let fixture = try await ServerFixture()
    let job = try await fixture.jobs(1) { $0.status = .resuming }[0]
    let (events, event) = AsyncStream.makeStream(of: ConnectionEvent.self)
    let recovery = Recovery(
      store: fixture.store, examiner: fixture.examiner, control: fixture.control,
      initializer: fixture.initializer, events: events, work: fixture.hub.work,
      clock: fixture.clock, log: fixture.log)
    try await fixture.run([recovery]) {
      event.yield(.unblocked)
      try await fixture.until(job, is: .waiting)
    }
  }

  /// Runs the body once a worker of 20 jobs has been asked and has not answered; tells it how often it was asked.
  private func unanswered(
    _ body: @escaping @Sendable (ServerFixture, [Job], _ asked: Int) async throws -> Void
  ) async throws {
    let fixture = try await ServerFixture()
    try workers.install(in: fixture)
    let jobs = try await fixture.running(20, by: workers.silent)
    fixture.broker.set(answer: { _ in .failure(.timeout("an answer")) })
    try await fixture.run([]) {
      fixture.examiner.examine(jobs)
      try await fixture.clock.state.until("it waits") { $0.sleeping == 1 }
      try await body(fixture, jobs, fixture.broker.state.value.asked.count)
    }
  }

  @Test("asks one that could not answer again, for one job at a time, until it does")
  func again() async throws {
    try await unanswered { fixture, _, asked in
      try await fixture.clock.advance(by: .seconds(60), whenSleeping: 1)
      try await fixture.broker.state.until("asked again") { $0.asked.count > asked }
      try await fixture.clock.state.until("it waits") { $0.sleeping == 1 }
      for question in fixture.broker.state.value.asked[asked...] {
        #expect(Workers.attempts(question)?.count == 1)
      }
      fixture.broker.set(answer: { Workers.answer($0, .running) })
      try await fixture.clock.passing(by: .seconds(120)) {
        try await fixture.broker.state.until("all are asked about") { state in
          Set(state.asked.dropFirst(asked).compactMap(Workers.attempts).joined()).count == 20
        }
      }
      #expect(fixture.log.counters.silentHolders >= 2)
    }
  }

  @Test("asks one that could not answer at once, and for all its jobs, when there is news of it")
  func news() async throws {
    try await unanswered { fixture, jobs, asked in
      fixture.broker.set(answer: { Workers.answer($0, .running) })
      // It has announced itself: its clock stands still.
      fixture.examiner.examine([jobs[0]])
      try await fixture.broker.state.until("all are asked about") { state in
        Set(state.asked.dropFirst(asked).compactMap(Workers.attempts).joined()).count == 20
      }
      #expect(fixture.broker.state.value.asked.count == asked + 1)
    }
  }
}

@Suite("The audit of held jobs", .timeLimit(.minutes(2))) struct HeldJobAuditTests {
  private let workers = Workers()

  @Test("takes the jobs of the gone in each round, though another worker says nothing")
  func silence() async throws {
    let fixture = try await ServerFixture()
    try workers.install(in: fixture)
    _ = try await fixture.running(3, by: workers.silent)
    let lost = try await fixture.running(3, by: workers.gone)
    let interval = Duration.seconds(15)
    let audit = HeldJobAudit(
      store: fixture.store, control: fixture.control, holders: fixture.holders,
      interval: interval, silence: .seconds(10), clock: fixture.clock, log: fixture.log)
    try await fixture.run([audit]) {
      try await fixture.clock.advance(by: interval, whenSleeping: 1)
      for job in lost { try await fixture.until(job, is: .waiting) }
      try await fixture.broker.state.until("the silent one is asked") { state in
        state.asked.contains { $0.routingKey == "silent" }
      }
      let later = try await fixture.running(3, by: workers.gone)
      try await fixture.clock.advance(by: interval, whenSleeping: 1)
      for job in later { try await fixture.until(job, is: .waiting) }
      // What is asked of it already is not asked once more beside that.
      #expect(fixture.broker.state.value.asked.filter { $0.routingKey == "silent" }.count == 1)
    }
  }
}

@Suite("The watch over leases", .timeLimit(.minutes(2))) struct LeaseWatchTests {
  private let workers = Workers()

  private func watch(_ fixture: ServerFixture) -> LeaseWatch<MemoryBroker> {
    LeaseWatch(
      store: fixture.store, directory: fixture.directory, control: fixture.control,
      examiner: fixture.examiner, broker: fixture.broker, names: fixture.names,
      clock: fixture.clock, log: fixture.log)
  }

  private func announce(_ worker: WorkerID, to fixture: ServerFixture) {
    fixture.directory.add(
      WorkerAnnouncement(
        worker: worker, host: "h", processID: 1, startedAt: .now, queues: [], groups: [],
        types: []))
  }

  @Test("gives up the jobs of a worker whose lease comes free, while another's says nothing")
  func lost() async throws {
    let fixture = try await ServerFixture()
    try workers.install(in: fixture)
    let jobs = try await fixture.running(60, by: workers.gone)
    _ = try await fixture.running(5, by: workers.silent)
    for worker in [workers.silent, workers.gone] { announce(worker, to: fixture) }
    let watch = watch(fixture)
    try await fixture.run([watch]) {
      watch.watch(workers.silent)
      watch.watch(workers.gone)
      for worker in [workers.silent, workers.gone] {
        let lease = try await fixture.broker.consumer(of: fixture.names.lease(worker))
        lease.deliver([WireCoding.lease()])
        try await lease.untilAcknowledged(1)
      }
      for job in jobs { try await fixture.until(job, is: .waiting) }
      let gone = workers.gone
      while fixture.directory.contains(gone) { await Task.yield() }
    }
  }

  @Test("has a worker that was away told what it has missed")
  func missed() async throws {
    let fixture = try await ServerFixture()
    try workers.install(in: fixture)
    let job = try await fixture.running(1, by: workers.present)[0]
    _ = try await fixture.store.update([job.id]) { _, job in job.cancel(at: .now) }
    announce(workers.present, to: fixture)
    let watch = watch(fixture)
    try await fixture.run([watch]) {
      watch.watch(workers.present)
      try await fixture.broker.state.until("told") { state in
        state.confirmed(to: "present").contains {
          (try? WireCoding.command($0.message)) == .cancel(job: job.id, attempt: 1)
        }
      }
    }
  }
}

@Suite("The audit of tickets", .timeLimit(.minutes(2))) struct TicketAuditTests {
  @Test("issues lost tickets again, though the broker does not tell of another queue")
  func lost() async throws {
    let fixture = try await ServerFixture()
    let lost = try await fixture.jobs(5) { $0.ticketIssued = true }
    let present = try await fixture.jobs(2, queue: .download) { $0.ticketIssued = true }
    let message = Message(text: "a ticket")
    fixture.broker.state.update { $0.queues["jobs.download"] = [message, message] }
    let audit = TicketAudit(
      store: fixture.store, directory: fixture.directory, control: fixture.control,
      broker: fixture.broker, names: fixture.names, work: fixture.hub.work, clock: fixture.clock,
      log: fixture.log)
    try await fixture.run([audit]) {
      for _ in 0..<2 { try await fixture.clock.advance(by: .seconds(5), whenSleeping: 1) }
      try await fixture.clock.state.until("it has looked twice") { $0.sleeping == 1 }
      #expect(
        Set(try await fixture.store.due(at: fixture.clock.now, limit: 9).map(\.id))
          == Set(lost.map(\.id)))
      for job in present { #expect(try await fixture.store.job(job.id)?.ticketIssued == true) }
    }
  }

  @Test(
    "declares a queue that is gone as its broker needs it",
    arguments: [BrokerInfo.Version(3, 10, 8), BrokerInfo.Version(4, 1)])
  func gone(_ version: BrokerInfo.Version) async throws {
    let fixture = try await ServerFixture()
    _ = try await fixture.jobs(1) { $0.ticketIssued = true }
    fixture.broker.state.update { state in
      state.version = version
      state.gone = ["jobs.compute"]
    }
    let expected = JobTopology.work(fixture.names, queues: [.compute], broker: version).queues
    let audit = TicketAudit(
      store: fixture.store, directory: fixture.directory, control: fixture.control,
      broker: fixture.broker, names: fixture.names, work: fixture.hub.work, clock: fixture.clock,
      log: fixture.log)
    try await fixture.run([audit]) {
      try await fixture.clock.advance(by: .seconds(5), whenSleeping: 1)
      try await fixture.broker.state.until("declared") { $0.declared == expected }
    }
  }
}

@Suite("The consumer of claims", .timeLimit(.minutes(2))) struct ClaimConsumerTests {
  private let workers = Workers()

  private func consumer(_ fixture: ServerFixture) -> ClaimConsumer<MemoryBroker> {
    ClaimConsumer(
      authority: fixture.authority, consuming: fixture.broker, publishing: fixture.broker,
      names: fixture.names, log: fixture.log)
  }

  private func question(_ jobs: [Job], by worker: WorkerID) throws -> Message {
    var message = try WireCoding.message(jobs.map { ClaimRequest(job: $0.id, worker: worker) })
    message.properties.replyTo = "answers"
    return message
  }

  private func answers(_ fixture: ServerFixture, _ count: Int) async throws -> [ClaimAnswer] {
    try await fixture.broker.state.until("\(count) answers") {
      $0.confirmed(to: "answers").count >= count
    }
    return try WireCoding.answers(
      fixture.broker.state.value.confirmed(to: "answers")[count - 1].message)
  }

  @Test("answers the others at once when the holder of one job does not")
  func contested() async throws {
    let fixture = try await ServerFixture()
    try workers.install(in: fixture)
    let contested = try await fixture.running(1, by: workers.silent)
    let free = try await fixture.jobs(3)
    try await fixture.run([consumer(fixture)]) {
      let claims = try await fixture.broker.consumer(of: "jobs.claims")
      claims.deliver([try question(contested + free, by: workers.present)])
      let answers = try await answers(fixture, 1)
      #expect(answers[0] == .askAgain)
      for answer in answers.dropFirst() {
        guard case .run = answer else {
          Issue.record("\(answer)")
          continue
        }
      }
      #expect(fixture.log.counters.contestedClaims == 1)
    }
  }

  @Test("counts what it cannot answer, and answers what came with it")
  func senseless() async throws {
    let fixture = try await ServerFixture()
    try workers.install(in: fixture)
    let free = try await fixture.jobs(1)
    let good = try question(free, by: workers.present)
    var nobody = good
    nobody.properties.replyTo = nil
    var spoilt = good
    spoilt.body = Message(text: "{").body
    let deliveries = [Message(text: "nothing"), nobody, spoilt, good]
    try await fixture.run([consumer(fixture)]) {
      let claims = try await fixture.broker.consumer(of: "jobs.claims")
      claims.deliver(deliveries)
      guard case .run = try await answers(fixture, 1)[0] else {
        Issue.record("refused")
        return
      }
      #expect(fixture.log.counters.badClaims == 3)
    }
  }

  @Test("gives the job of a worker that is gone to whoever asks again")
  func gone() async throws {
    let fixture = try await ServerFixture()
    try workers.install(in: fixture)
    let jobs = try await fixture.running(1, by: workers.gone)
    try await fixture.run([consumer(fixture)]) {
      let claims = try await fixture.broker.consumer(of: "jobs.claims")
      claims.deliver([try question(jobs, by: workers.present)])
      #expect(try await answers(fixture, 1) == [.askAgain])
      try await fixture.until(jobs[0], is: .waiting)
      claims.deliver([try question(jobs, by: workers.present)])
      guard case .run(let assignment) = try await answers(fixture, 2)[0] else {
        Issue.record("refused")
        return
      }
      #expect(assignment.attempt == 2)
    }
  }

  @Test("refuses the job that its holder has, once that one has said so")
  func held() async throws {
    let fixture = try await ServerFixture()
    try workers.install(in: fixture)
    let jobs = try await fixture.running(1, by: workers.present)
    try await fixture.run([consumer(fixture)]) {
      let claims = try await fixture.broker.consumer(of: "jobs.claims")
      claims.deliver([try question(jobs, by: workers.gone)])
      #expect(try await answers(fixture, 1) == [.askAgain])
      var answer = ClaimAnswer.askAgain
      var count = 1
      while answer == .askAgain {
        count += 1
        claims.deliver([try question(jobs, by: workers.gone)])
        answer = try await answers(fixture, count)[0]
      }
      #expect(answer == .drop(.heldByAnother))
    }
  }
}
