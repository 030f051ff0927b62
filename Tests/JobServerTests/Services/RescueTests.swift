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
      case "jobs.worker.silent":
        await MemoryBroker.silence()
        return .failure(.cancelled)
      case "jobs.worker.present": return Self.answer(publication, .running)
      default: return .failure(.returned(code: 312, text: "NO_ROUTE"))
      }
    })
    fixture.broker.set { publication in
      if publication.isCommand {
        switch publication.routingKey {
        case "jobs.worker.gone": return .returned(replyCode: 312, text: "NO_ROUTE")
        case "jobs.worker.silent":
          await MemoryBroker.silence()
          return .unknown("cancelled")
        default: break
        }
      }
      // The mark that comes back: everything before it has been applied.
      if publication.routingKey == "jobs.reports",
        case .mark(let mark)? = try? WireCoding.received(publication.message).understood
      {
        fixture.inbox.reach(mark)
      }
      return .confirmed
    }
  }
}

@Suite("Recovery", .timeLimit(.minutes(2))) struct RecoveryServiceTests {
  private let workers = Workers()

  private func recovery(
    _ fixture: ServerFixture, _ events: AsyncStream<ConnectionEvent>, reconcile: Signal = Signal()
  ) -> Recovery {
    Recovery(
      store: fixture.store, workers: fixture.workers, leases: NoLeases(),
      control: fixture.control, initializer: fixture.initializer, events: events,
      plan: fixture.plan, reconcile: reconcile, clock: fixture.clock, log: fixture.log)
  }

  @Test(
    "takes the jobs of the gone while another worker is silent, and leaves those of the present")
  func silence() async throws {
    let fixture = try await ServerFixture()
    try workers.install(in: fixture)
    let lost = try await fixture.running(60, by: workers.gone)
    let held = try await fixture.running(60, by: workers.present)
    let unknown = try await fixture.running(60, by: workers.silent)
    let (events, event) = AsyncStream.makeStream(of: ConnectionEvent.self)
    let reconcile = Signal()
    try await fixture.run([recovery(fixture, events, reconcile: reconcile)]) {
      event.yield(.connected(generation: 1))
      for job in lost { try await fixture.until(job, is: .waiting) }
      for job in held + unknown { #expect(try await fixture.status(job) == .running) }
      #expect(
        try await Set(fixture.store.workers()) == [workers.present, workers.silent])
      // The next connection is not held up by the one who says nothing.
      event.yield(.connected(generation: 2))
      try await fixture.broker.state.until("all are asked who they are again") { state in
        state.confirmed(to: "*").count == 2
      }
      // The tickets are counted.
      await reconcile.wait(atMost: nil)
    }
  }

  @Test("lets a job that stands between two statuses go on")
  func resuming() async throws {
    let fixture = try await ServerFixture()
    let job = try await fixture.jobs(1) { $0.status = .resuming }[0]
    let (events, event) = AsyncStream.makeStream(of: ConnectionEvent.self)
    try await fixture.run([recovery(fixture, events)]) {
      event.yield(.unblocked)
      try await fixture.until(job, is: .waiting)
    }
  }
}

@Suite("The check of a worker", .timeLimit(.minutes(2))) struct WorkerCheckTests {
  private let workers = Workers()

  @Test("tells one that is there once more what it is to end")
  func remind() async throws {
    let fixture = try await ServerFixture()
    try workers.install(in: fixture)
    let jobs = try await fixture.running(3, by: workers.present)
    _ = try await fixture.store.apply(
      JobCommand(.cancel(reason: nil), of: jobs[0].id), at: fixture.clock.now)
    _ = try await fixture.store.apply(
      JobCommand(.suspend, of: jobs[1].id), at: fixture.clock.now)
    #expect(await fixture.workers.settle(workers.present))
    let told = fixture.broker.state.value.confirmed(to: "jobs.worker.present").compactMap {
      try? WireCoding.command($0.message)
    }
    #expect(
      Set(told) == [
        .ping, .cancel(job: jobs[0].id, attempt: 1), .suspend(job: jobs[1].id, attempt: 1),
      ])
  }

  @Test("asks one of whom the broker says nothing again, less and less often, until it is known")
  func again() async throws {
    let fixture = try await ServerFixture()
    try workers.install(in: fixture)
    let job = try await fixture.running(1, by: workers.present)[0]
    let told = Watched(0)
    fixture.broker.set { publication in
      guard publication.isCommand else { return .confirmed }
      return told.update { told in
        told += 1
        return told < 4 ? .unknown("no answer") : .confirmed
      }
    }
    try await fixture.run([]) {
      fixture.workers.check(workers.present)
      for pause in [2, 4, 8] {
        try await fixture.clock.state.until("it waits") { $0.sleeping == 1 }
        fixture.clock.advance(by: .seconds(pause))
      }
      try await told.until("it is there") { $0 == 4 }
      while fixture.workers.count > 0 { await Task.yield() }
      #expect(fixture.log.counters.silentHolders == 3)
      #expect(try await fixture.status(job) == .running)
    }
  }

  @Test("asks at once when there is news")
  func news() async throws {
    let fixture = try await ServerFixture()
    try workers.install(in: fixture)
    _ = try await fixture.running(1, by: workers.present)
    let isThere = Watched(false)
    fixture.broker.set { publication in
      guard publication.isCommand else { return .confirmed }
      return isThere.value ? .confirmed : .unknown("no answer")
    }
    try await fixture.run([]) {
      fixture.workers.check(workers.present)
      try await fixture.clock.state.until("it waits") { $0.sleeping == 1 }
      isThere.update { $0 = true }
      // It has announced itself: its clock stands still.
      fixture.workers.check(workers.present)
      try await fixture.broker.state.until("asked") {
        !$0.confirmed(to: "jobs.worker.present").isEmpty
      }
    }
  }

  @Test("leaves a kept outcome's attempt to the server that understands it, unless it is canceled")
  func kept() async throws {
    let fixture = try await ServerFixture()
    try workers.install(in: fixture)
    let jobs = try await fixture.running(3, by: workers.gone)
    fixture.kept.add([
      RunningAttempt(job: jobs[0].id, attempt: 1), RunningAttempt(job: jobs[1].id, attempt: 1),
    ])
    _ = try await fixture.store.apply(
      JobCommand(.cancel(reason: nil), of: jobs[1].id), at: fixture.clock.now)
    #expect(await fixture.workers.settle(workers.gone))
    #expect(try await fixture.status(jobs[0]) == .running)
    #expect(try await fixture.status(jobs[1]) == .canceled)
    #expect(try await fixture.status(jobs[2]) == .waiting)
  }

  @Test("forgets what one that is gone was told to wait for")
  func parked() async throws {
    let fixture = try await ServerFixture()
    try workers.install(in: fixture)
    _ = try await fixture.running(1, by: workers.gone)
    fixture.parked.park(workers.gone, in: .compute, types: [try JobTypeID("test:job")])
    #expect(await fixture.workers.settle(workers.gone))
    #expect(!fixture.parked.isParked(workers.gone, in: .compute))
  }
}

@Suite("The audit of held jobs", .timeLimit(.minutes(2))) struct HeldJobAuditTests {
  private let workers = Workers()
  private let interval = Duration.seconds(15)

  private func audit(_ fixture: ServerFixture) -> HeldJobAudit {
    HeldJobAudit(
      store: fixture.store, control: fixture.control, workers: fixture.workers,
      inbox: fixture.inbox, kept: fixture.kept, poisonLimit: 5, interval: interval,
      silence: .seconds(10), clock: fixture.clock, log: fixture.log)
  }

  @Test("takes the jobs of the gone in each round, though another worker says nothing")
  func silence() async throws {
    let fixture = try await ServerFixture()
    try workers.install(in: fixture)
    _ = try await fixture.running(3, by: workers.silent)
    let lost = try await fixture.running(3, by: workers.gone)
    try await fixture.run([audit(fixture)]) {
      try await fixture.clock.advance(by: interval, whenSleeping: 1)
      for job in lost { try await fixture.until(job, is: .waiting) }
      try await fixture.broker.state.until("the silent one is asked") { state in
        state.asked.contains { $0.routingKey == "jobs.worker.silent" }
      }
      let later = try await fixture.running(3, by: workers.gone)
      try await fixture.clock.advance(by: interval, whenSleeping: 1)
      for job in later { try await fixture.until(job, is: .waiting) }
      // What is asked of it already is not asked once more beside that.
      #expect(
        fixture.broker.state.value.asked.filter { $0.routingKey == "jobs.worker.silent" }.count == 1
      )
    }
  }

  @Test("takes an attempt from a worker that is there and does not have it, and no other")
  func missing() async throws {
    let fixture = try await ServerFixture()
    try workers.install(in: fixture)
    let jobs = try await fixture.running(2, by: workers.present)
    let missing = jobs[0].id
    fixture.broker.set(answer: { question in
      guard let attempts = Workers.attempts(question),
        let reply = try? WireCoding.message(
          ControlReply.attempts(attempts.map { $0.job == missing ? .unknown : .running }))
      else { return .failure(.timeout("an answer")) }
      return .success(reply)
    })
    try await fixture.run([audit(fixture)]) {
      try await fixture.clock.advance(by: interval, whenSleeping: 1)
      try await fixture.until(jobs[0], is: .waiting)
      #expect(try await fixture.status(jobs[1]) == .running)
      #expect(try await fixture.store.workers() == [workers.present])
    }
  }
}

@Suite("The watch over leases", .timeLimit(.minutes(2))) struct LeaseWatchTests {
  private let workers = Workers()

  private func watch(_ fixture: ServerFixture) -> LeaseWatch<MemoryBroker> {
    LeaseWatch(
      directory: fixture.directory, workers: fixture.workers, broker: fixture.broker,
      names: fixture.names, clock: fixture.clock, log: fixture.log)
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
    _ = try await fixture.store.apply(
      JobCommand(.cancel(reason: nil), of: job.id), at: fixture.clock.now)
    announce(workers.present, to: fixture)
    let watch = watch(fixture)
    try await fixture.run([watch]) {
      watch.watch(workers.present)
      try await fixture.broker.state.until("told") { state in
        state.confirmed(to: "jobs.worker.present").contains {
          (try? WireCoding.command($0.message)) == .cancel(job: job.id, attempt: 1)
        }
      }
    }
  }
}
