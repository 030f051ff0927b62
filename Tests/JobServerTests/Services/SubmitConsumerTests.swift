import AMQP
import Foundation
import JobStore
import JobTransport
import Jobs
import Testing

@testable import JobServer

@Suite("The intake", .timeLimit(.minutes(2))) struct SubmitConsumerTests {
  private func consumer(
    _ fixture: ServerFixture, access: BrokerAccess = BrokerAccess()
  ) -> SubmitConsumer<MemoryBroker> {
    SubmitConsumer(
      intake: fixture.intake, service: fixture.service, initializer: fixture.initializer,
      broker: fixture.broker, deadLetters: fixture.deadLetters, names: fixture.names,
      access: access, redriven: fixture.redriven(access), maxBodyBytes: 1 << 20,
      clock: fixture.clock, log: fixture.log)
  }

  private func submission(
    _ id: JobID = JobID(), params: JSONValue = [:], reply: JobReply? = nil
  ) throws -> Message {
    var submission = JobSubmission(type: try JobTypeID("test:job"), params: params, id: id)
    submission.reply = reply
    return JobMessage.message(submission)
  }

  @Test("goes on while the dead-letter queue does not answer")
  func deadLetters() async throws {
    let fixture = try await ServerFixture()
    fixture.broker.set { publication in
      if publication.exchange == "jobs.dead" { await MemoryBroker.silence() }
      return .confirmed
    }
    try await fixture.run([consumer(fixture)]) {
      let intake = try await fixture.broker.consumer(of: "jobs.submit")
      intake.deliver([Message(text: "nothing")])
      try await fixture.broker.state.until("refused") { !$0.offered.isEmpty }
      let id = JobID()
      intake.deliver([try submission(id)])
      try await intake.untilAcknowledged(1)
      #expect(intake.state.value.acknowledged == [2])
      #expect(try await fixture.store.job(id) != nil)
    }
  }

  @Test("forgets the tickets that the broker has thrown out of their queue")
  func tickets() async throws {
    let fixture = try await ServerFixture()
    let ticket = WireCoding.ticket()
    // Not even its body matters.
    var spoilt = Message(text: "{")
    spoilt.properties.type = ticket.properties.type
    let id = JobID()
    let deliveries = [ticket, try submission(id), spoilt]
    try await fixture.run([consumer(fixture)]) {
      let intake = try await fixture.broker.consumer(of: "jobs.submit")
      intake.deliver(deliveries)
      try await intake.untilAcknowledged(3)
      #expect(try await fixture.store.job(id) != nil)
      #expect(fixture.broker.state.value.offered.isEmpty)
      #expect(fixture.log.counters.refusedMessages == 0)
    }
  }

  @Test("lays what no dead-letter queue takes at the end of its own, so that others are delivered")
  func rotation() async throws {
    let fixture = try await ServerFixture()
    let bad = Message(text: "nothing")
    fixture.broker.set { $0.exchange == "jobs.dead" ? .nacked : .confirmed }
    try await fixture.run([consumer(fixture)]) {
      let intake = try await fixture.broker.consumer(of: "jobs.submit")
      intake.deliver([bad])
      for _ in 0..<3 { try await fixture.clock.advance(by: .seconds(5), whenSleeping: 1) }
      try await intake.untilAcknowledged(1)
      let moved = fixture.broker.state.value.confirmed(to: "jobs.submit")
      #expect(moved.first?.message.body == bad.body)
    }
  }

  @Test("believes who sends a message, and for whom")
  func access() async throws {
    let fixture = try await ServerFixture()
    let (own, foreign) = (UUID(), UUID())
    let access = BrokerAccess(users: [
      "shop": .init(tenants: .only([own])), "workers": .init(isWorker: true),
    ])
    func message(_ id: JobID, tenant: UUID = .zero, by user: String?) throws -> Message {
      var message = JobMessage.message(
        JobSubmission(type: try JobTypeID("test:job"), params: [:], id: id, tenantID: tenant))
      message.properties.userID = user
      return message
    }
    let (unnamed, named) = (JobID(), JobID())
    var cancel = CancelMessage.message(JobCancellation(job: named, tenantID: foreign))
    cancel.properties.userID = "shop"
    let deliveries = [
      try message(unnamed, by: "shop"), try message(named, tenant: own, by: "shop"),
      try message(JobID(), tenant: foreign, by: "shop"), try message(JobID(), by: nil),
      try message(JobID(), by: "workers"), try message(JobID(), by: "stranger"), cancel,
    ]
    try await fixture.run([consumer(fixture, access: access)]) {
      let intake = try await fixture.broker.consumer(of: "jobs.submit")
      intake.deliver(deliveries)
      try await intake.untilAcknowledged(7)
      for id in [unnamed, named] {
        let job = try #require(try await fixture.store.job(id))
        #expect(job.tenantID == own)
        #expect(job.status == .waiting)
      }
      let dead = fixture.broker.state.value.confirmed.filter {
        $0.exchange == "jobs.dead"
      }.map(\.message)
      #expect(dead.count == 5)
      for letter in dead {
        #expect(letter.properties.headers[DeadLetter.reason] == .string("forbidden"))
        #expect(letter.properties.userID == nil)
      }
      #expect(
        dead.compactMap { $0.properties.headers[DeadLetter.user]?.stringValue }.sorted()
          == ["shop", "shop", "stranger", "workers"])
    }
  }

  @Test("goes on while the worker of a canceled job does not answer; the job is canceling by then")
  func cancellation() async throws {
    let fixture = try await ServerFixture()
    let worker = WorkerID(rawValue: "silent")
    let job = try await fixture.running(1, by: worker)[0]
    fixture.broker.set { publication in
      if publication.isCommand { await MemoryBroker.silence() }
      return .confirmed
    }
    let cancel = CancelMessage.message(JobCancellation(job: job.id, reason: "enough"))
    let unknown = CancelMessage.message(JobCancellation(job: JobID()))
    try await fixture.run([consumer(fixture)]) {
      let intake = try await fixture.broker.consumer(of: "jobs.submit")
      intake.deliver([cancel, unknown])
      try await fixture.broker.state.until("told") { state in
        state.offered.contains { $0.isCommand }
      }
      let id = JobID()
      intake.deliver([try submission(id)])
      try await intake.untilAcknowledged(3)
      #expect(try await fixture.status(job) == .canceling)
      #expect(try await fixture.store.job(job.id)?.details == "enough")
      #expect(try await fixture.store.job(id) != nil)
      let dead = fixture.broker.state.value.confirmed.filter { $0.exchange == "jobs.dead" }
      #expect(
        dead.map { $0.message.properties.headers["x-warren-reason"]?.stringValue }
          == ["unknown-job"])
    }
  }

  @Test(
    "cancels the job that a key has made, whichever id is named, and the one of the id where there is no such key"
  )
  func cancellationByKey() async throws {
    let fixture = try await ServerFixture()
    let made = try await fixture.running(1, by: WorkerID(rawValue: "w"))[0]
    var keyed = JobCancellation(job: JobID())
    keyed.idempotencyKey = IdempotencyKey(uuid: made.idempotencyKey)
    let id = JobID()
    var own = JobCancellation(job: id)
    own.idempotencyKey = .unique()
    let messages = try [submission(id), CancelMessage.message(keyed), CancelMessage.message(own)]
    try await fixture.run([consumer(fixture)]) {
      let intake = try await fixture.broker.consumer(of: "jobs.submit")
      intake.deliver(messages)
      try await intake.untilAcknowledged(3)
      #expect(try await fixture.status(made) == .canceling)
      #expect(try await fixture.store.job(id)?.status == .canceled)
    }
  }

  @Test("acknowledges nothing before it is stored")
  func store() async throws {
    let fixture = try await ServerFixture()
    let id = JobID()
    try await fixture.breakStore("INSERT ON job")
    try await fixture.run([consumer(fixture)]) {
      let intake = try await fixture.broker.consumer(of: "jobs.submit")
      intake.deliver([try submission(id)])
      for _ in 0..<3 { try await fixture.clock.advance(by: .seconds(30), whenSleeping: 1) }
      #expect(intake.state.value.acknowledged.isEmpty)
      try await fixture.mendStore()
      try await fixture.clock.passing(by: .seconds(30)) {
        try await intake.untilAcknowledged(1)
      }
      #expect(try await fixture.store.job(id) != nil)
    }
  }

  @Test("refuses the one job that the store never takes, and stores those beside it")
  func unfit() async throws {
    let fixture = try await ServerFixture()
    try await fixture.execute(
      """
      CREATE TRIGGER picky BEFORE INSERT ON payload WHEN new.params = CAST('{"n":13}' AS BLOB)
      BEGIN SELECT raise(ABORT, 'not this one'); END
      """)
    try await fixture.run([consumer(fixture)]) {
      let intake = try await fixture.broker.consumer(of: "jobs.submit")
      let ids = (0..<3).map { _ in JobID() }
      intake.deliver([
        try submission(ids[0]), try submission(ids[1], params: ["n": 13]), try submission(ids[2]),
      ])
      try await intake.untilAcknowledged(3)
      #expect(try await fixture.store.jobs(ids).count == 2)
      let dead = fixture.broker.state.value.confirmed.filter { $0.exchange == "jobs.dead" }
      #expect(dead.count == 1)
    }
  }

  @Test(
    "refuses to have Warren's own queues answered into",
    arguments: ["jobs", "jobs.submit", "jobs.compute", "jobs.worker.w"])
  func ownQueues(_ address: String) async throws {
    let fixture = try await ServerFixture()
    let (id, other) = (JobID(), JobID())
    let bad = try submission(id, reply: JobReply(address: address))
    let good = try submission(other, reply: JobReply(address: "jobs-of-mine"))
    try await fixture.run([consumer(fixture)]) {
      let intake = try await fixture.broker.consumer(of: "jobs.submit")
      intake.deliver([bad, good])
      try await intake.untilAcknowledged(2)
      #expect(try await Set(fixture.store.jobs([id, other]).keys) == [other])
      let dead = fixture.broker.state.value.confirmed.filter { $0.exchange == "jobs.dead" }
      let headers = dead.first?.message.properties.headers
      #expect(headers?["x-warren-reason"] == "bad-property")
      #expect(headers?["x-warren-explanation"]?.stringValue?.contains("'\(address)'") == true)
    }
  }

  @Test("says of params all that does not fit, for programs as well")
  func params() async throws {
    let fixture = try await ServerFixture()
    let bad = try submission(JobID(), params: ["n": "many", "m": 1])
    try await fixture.run([consumer(fixture)]) {
      let intake = try await fixture.broker.consumer(of: "jobs.submit")
      intake.deliver([bad, Message(text: "nothing")])
      try await intake.untilAcknowledged(2)
      let dead = fixture.broker.state.value.confirmed.filter { $0.exchange == "jobs.dead" }
      let headers = dead.map(\.message.properties.headers)
      let refused = try #require(headers.first { $0["x-warren-reason"] == "invalid-params" })
      let errors = try JSONValue(
        parsing: (refused["x-warren-errors"]?.stringValue ?? "").utf8)
      #expect(
        errors == [
          [
            "pointer": "/m", "keyword": "additionalProperties",
            "detail": "the parameter /m is no parameter of this job type; known are n",
          ],
          [
            "pointer": "/n", "keyword": "type",
            "detail": "the parameter /n must be integer, not string",
          ],
        ])
      let other = try #require(headers.first { $0["x-warren-reason"] != "invalid-params" })
      #expect(other["x-warren-errors"] == nil)
    }
  }

  @Test("refuses a context that is wrong, but never a job for its trace")
  func contexts() async throws {
    let fixture = try await ServerFixture()
    let (bad, good) = (JobID(), JobID())
    func submission(_ id: JobID, _ context: [String: String]) throws -> Message {
      JobMessage.message(
        JobSubmission(type: try JobTypeID("test:job"), id: id, context: context))
    }
    let messages = [
      try submission(bad, ["Request-ID": "17"]),
      try submission(good, ["traceparent": "none", "baggage": "k=v", "a": "1"]),
    ]
    try await fixture.run([consumer(fixture)]) {
      let intake = try await fixture.broker.consumer(of: "jobs.submit")
      intake.deliver(messages)
      try await intake.untilAcknowledged(2)
      #expect(try await fixture.store.job(bad) == nil)
      #expect(try await fixture.store.job(good)?.context == ["baggage": "k=v", "a": "1"])
      let dead = fixture.broker.state.value.confirmed.filter { $0.exchange == "jobs.dead" }
      let headers = dead.first?.message.properties.headers
      #expect(headers?["x-warren-reason"] == "bad-header")
      #expect(headers?["x-warren-explanation"]?.stringValue?.contains("'Request-ID'") == true)
    }
  }

  @Test("lets the reply of a repeated submission be sent as well")
  func repetition() async throws {
    let fixture = try await ServerFixture()
    let id = JobID()
    let first = try submission(id, reply: JobReply(address: "here"))
    let second = try submission(id, reply: JobReply(address: "there", correlationID: "2"))
    let replies = ReplyPublisher(
      store: fixture.store, broker: fixture.broker, endings: fixture.hub.endings,
      clock: fixture.clock, log: fixture.log)
    try await fixture.run([consumer(fixture), replies]) {
      let intake = try await fixture.broker.consumer(of: "jobs.submit")
      intake.deliver([first, second])
      try await intake.untilAcknowledged(2)
      _ = try await fixture.service.cancel(id, tenant: .zero)
      try await fixture.broker.state.until("both") {
        !$0.confirmed(to: "here").isEmpty && !$0.confirmed(to: "there").isEmpty
      }
      // It has ended: who asks now is told now.
      intake.deliver([try submission(id, reply: JobReply(address: "late"))])
      try await fixture.broker.state.until("late") { !$0.confirmed(to: "late").isEmpty }
    }
  }
}

@Suite("The initializer", .timeLimit(.minutes(2))) struct InitializerTests {
  private func initializing(_ fixture: ServerFixture) async throws -> Job {
    try await fixture.jobs(1) { $0.status = .initializing }[0]
  }

  @Test("takes back the job that its callback refuses")
  func refusal() async throws {
    let fixture = try await ServerFixture()
    let job = try await initializing(fixture)
    fixture.callbacks.set { _ in .failed("no") }
    await #expect(throws: ScheduleError.self) { try await fixture.initializer.initialize(job) }
    #expect(try await fixture.store.job(job.id) == nil)
  }

  @Test("keeps a job that somebody else was told of, whenever that was", arguments: [false, true])
  func shared(_ isRefused: Bool) async throws {
    let fixture = try await ServerFixture()
    let job = try await initializing(fixture)
    let (store, now) = (fixture.store, fixture.clock.now)
    fixture.callbacks.set { job in
      // The same is asked for again while the callback runs.
      let again = try? await store.insert(NewJob(job, submitted: job.params), at: now)
      guard case .repeated(let existing) = again else {
        Issue.record("\(String(describing: again))")
        return .nobody
      }
      #expect(existing.id == job.id)
      return isRefused ? .failed("no") : .nobody
    }
    let kept = try await fixture.initializer.initialize(job)
    #expect(kept.status == (isRefused ? .failed : .initializing))
    let stored = try await fixture.store.job(job.id)
    #expect(stored?.status == kept.status)
  }

  @Test("leaves a job alone that was canceled meanwhile")
  func canceled() async throws {
    let fixture = try await ServerFixture()
    let job = try await initializing(fixture)
    let service = fixture.service
    fixture.callbacks.set { job in
      _ = try? await service.cancel(job.id, tenant: .zero)
      return .failed("no")
    }
    await #expect(throws: ScheduleError.self) { try await fixture.initializer.initialize(job) }
    #expect(try await fixture.status(job) == .canceled)
  }
}
