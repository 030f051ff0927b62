import AMQP
import Foundation
import JobStore
import JobTransport
import Jobs
import Testing

@testable import JobServer

@Suite("Look-ups over the broker", .timeLimit(.minutes(2))) struct LookupConsumerTests {
  private func consumer(
    _ fixture: ServerFixture, access: BrokerAccess = BrokerAccess()
  ) -> LookupConsumer<MemoryBroker> {
    LookupConsumer(
      store: fixture.store, watches: fixture.hub.watches, consuming: fixture.broker,
      publishing: fixture.broker, names: fixture.names, access: access, clock: fixture.clock,
      log: fixture.log)
  }

  private func publisher(_ fixture: ServerFixture) -> WatchPublisher<MemoryBroker> {
    WatchPublisher(
      watches: fixture.hub.watches, store: fixture.store, broker: fixture.broker,
      clock: fixture.clock, log: fixture.log)
  }

  private func ask(
    _ request: JobRequest, tenant: UUID = .zero, from address: String? = "answers",
    _ correlationID: String? = "c"
  ) throws -> Message {
    var message = try request.message(tenant: tenant)
    message.properties.replyTo = address
    message.properties.correlationID = correlationID
    return message
  }

  private func messages(
    _ fixture: ServerFixture, to address: String = "answers", _ count: Int
  ) async throws -> [Message] {
    try await fixture.broker.state.until("\(count) messages to \(address)") {
      $0.confirmed(to: address).count >= count
    }
    return fixture.broker.state.value.confirmed(to: address).map(\.message)
  }

  @Test("believe for whom a user of the broker speaks")
  func access() async throws {
    let fixture = try await ServerFixture()
    let job = try await fixture.jobs(1)[0]
    let access = BrokerAccess(users: [
      "shop": .init(tenants: .only([UUID()])), "office": .init(tenants: .any),
    ])
    try await fixture.run([consumer(fixture, access: access)]) {
      let requests = try await fixture.broker.consumer(of: "jobs.requests")
      var questions: [Message] = []
      for user in ["shop", "office", nil] {
        var question = try ask(.get([job.id]))
        question.properties.userID = user
        questions.append(question)
      }
      requests.deliver(questions)
      let answers = try await messages(fixture, 3)
      let bodies = answers.map { String(decoding: $0.body, as: UTF8.self) }
      #expect(bodies.count { $0.contains(#""unknown":["\#(job.id)"]"#) } == 1, "\(bodies)")
      #expect(bodies.count { $0.contains(#""status":"waiting""#) } == 1, "\(bodies)")
      #expect(bodies.count { $0.contains("user_id must be the name") } == 1, "\(bodies)")
    }
  }

  @Test("are answered with the jobs of the tenant, in the order asked")
  func get() async throws {
    let fixture = try await ServerFixture()
    let jobs = try await fixture.jobs(3)
    let tenant = UUID()
    let foreign = try await fixture.jobs(1) { job in
      job = Job(
        id: job.id, tenantID: tenant, userID: .zero, idempotencyKey: job.idempotencyKey,
        type: job.type, queue: job.queue, params: job.params, timeout: job.timeout,
        retry: job.retry, scheduledAt: job.scheduledAt, createdAt: job.createdAt)
    }[0]
    try await fixture.run([consumer(fixture)]) {
      let requests = try await fixture.broker.consumer(of: "jobs.requests")
      let unknown = JobID()
      requests.deliver([
        try ask(.get([jobs[2].id, unknown, foreign.id, jobs[0].id])),
        try ask(.get([foreign.id]), tenant: tenant, "mine"),
        try ask(.getKey(IdempotencyKey(uuid: jobs[1].idempotencyKey))),
        try ask(.getKey(IdempotencyKey(uuid: foreign.idempotencyKey))),
      ])
      let answers = try await messages(fixture, 4)
      #expect(answers.map(\.properties.correlationID) == ["c", "mine", "c", "c"])
      let found = try answers.map { try JobRequest.Answer($0).jobs.map { $0?.id } }
      #expect(
        found == [[jobs[2].id, nil, nil, jobs[0].id], [foreign.id], [jobs[1].id], [nil]])
      try await requests.untilAcknowledged(4)
      #expect(fixture.log.counters.badRequests == 0)
    }
  }

  @Test("that are wrong are refused where somebody can be told, and hold up none of the others")
  func refusals() async throws {
    let fixture = try await ServerFixture()
    let job = try await fixture.jobs(1)[0]
    try await fixture.run([consumer(fixture)]) {
      let requests = try await fixture.broker.consumer(of: "jobs.requests")
      var bad = Message(text: "{")
      bad.properties.replyTo = "answers"
      bad.properties.correlationID = "bad"
      requests.deliver([
        bad, try ask(.get([job.id]), from: nil), try ask(.get([job.id]), from: "jobs.submit"),
        try ask(.get([job.id])),
      ])
      let answers = try await messages(fixture, 2)
      #expect(answers.map(\.properties.correlationID) == ["bad", "c"])
      #expect(throws: LookupError.self) { try JobRequest.Answer(answers[0]) }
      #expect(try JobRequest.Answer(answers[1]).jobs.first??.id == job.id)
      try await requests.untilAcknowledged(4)
      #expect(fixture.log.counters.badRequests == 3)
      #expect(fixture.broker.state.value.offered(to: "jobs.submit").isEmpty)
    }
  }

  @Test("that cannot be answered say so, and others go on after that")
  func storeFails() async throws {
    let fixture = try await ServerFixture()
    let job = try await fixture.jobs(1)[0]
    try await fixture.breakStore()
    try await fixture.run([consumer(fixture)]) {
      let requests = try await fixture.broker.consumer(of: "jobs.requests")
      requests.deliver([try ask(.tellEnd([job.id]))])
      let refusal = try await messages(fixture, 1)[0]
      let error = #expect(throws: LookupError.self) { try JobRequest.Answer(refusal) }
      #expect(error?.description.contains("ask again") == true)
      try await fixture.mendStore()
      requests.deliver([try ask(.tellEnd([job.id]))])
      let answer = try JobRequest.Answer(try await messages(fixture, 2)[1])
      #expect(answer.jobs.first??.id == job.id)
    }
  }

  @Test("go on while the address of another does not take its answer")
  func slowAddress() async throws {
    let fixture = try await ServerFixture()
    let job = try await fixture.jobs(1)[0]
    fixture.broker.set { publication in
      if publication.routingKey == "slow" { await MemoryBroker.silence() }
      return .confirmed
    }
    try await fixture.run([consumer(fixture)]) {
      let requests = try await fixture.broker.consumer(of: "jobs.requests")
      requests.deliver([try ask(.get([job.id]), from: "slow")])
      try await fixture.broker.state.until("slow") { !$0.offered(to: "slow").isEmpty }
      requests.deliver([try ask(.get([job.id]))])
      _ = try await messages(fixture, 1)
      try await requests.untilAcknowledged(1)
      #expect(requests.state.value.acknowledged == [2])
    }
  }

  // MARK: The end of jobs

  @Test("note durably who is to be told of an end, and answer with the jobs as they are")
  func tellEnd() async throws {
    let fixture = try await ServerFixture()
    let job = try await fixture.jobs(1)[0]
    let done = try await fixture.jobs(1) { $0.status = .completed }[0]
    let replies = ReplyPublisher(
      store: fixture.store, broker: fixture.broker, endings: fixture.hub.endings,
      clock: fixture.clock, log: fixture.log)
    try await fixture.run([consumer(fixture), replies]) {
      let requests = try await fixture.broker.consumer(of: "jobs.requests")
      requests.deliver([try ask(.tellEnd([job.id, done.id, JobID()]), from: "ends", "asked")])
      var told = try await messages(fixture, to: "ends", 2)
      // In whichever order: the answer, and the end of the job that had ended.
      let answer = try #require(told.first { $0.properties.correlationID == "asked" })
      #expect(
        try JobRequest.Answer(answer).jobs.map { $0?.status } == [.waiting, .completed, nil])
      let end = try #require(told.first { $0.properties.correlationID == done.id.description })
      #expect(try JSONDecoder().decode(Job.self, from: Data(end.body)).id == done.id)
      #expect(
        try await fixture.store.job(job.id)?.replies
          == [JobReply(address: "ends", correlationID: job.id.description)])

      _ = try await fixture.store.apply(
        JobCommand(.cancel(reason: nil), of: job.id), at: fixture.clock.now)
      told = try await messages(fixture, to: "ends", 3)
      #expect(told[2].properties.correlationID == job.id.description)
      try await fixture.untilNobodyIsToBeTold()
    }
  }

  // MARK: Watches

  private func report(_ fixture: ServerFixture, _ job: Job, _ content: JobReport.Content)
    async throws
  {
    try await fixture.authority.apply([
      JobReport(job: job.id, attempt: 1, worker: WorkerID(rawValue: "w"), content: content)
    ])
  }

  @Test("tell of every change, the newest where there are many, and the last always")
  func watch() async throws {
    let fixture = try await ServerFixture()
    let job = try await fixture.running(1, by: WorkerID(rawValue: "w"))[0]
    try await fixture.run([consumer(fixture), publisher(fixture)]) {
      let requests = try await fixture.broker.consumer(of: "jobs.requests")
      requests.deliver([try ask(.watch(job.id, for: .seconds(60)))])
      var told = try await messages(fixture, 1)
      #expect(try JobRequest.Answer(told[0]).jobs.first??.progress == 0)

      // All of it within one turn of the publisher, which sleeps.
      for percent in 1...50 {
        try await report(fixture, job, .progress(JobProgress(Double(percent))))
      }
      try await fixture.clock.advance(by: .milliseconds(100), whenSleeping: 1)
      told = try await messages(fixture, 2)
      #expect(told.count == 2)
      #expect(try JobRequest.Answer(told[1]).jobs.first??.progress == 50)
      #expect(told[1].properties.correlationID == "c")

      try await report(fixture, job, .progress(JobProgress(60)))
      try await report(fixture, job, .ended(.completed(result: ["a": 1])))
      try await fixture.clock.advance(by: .milliseconds(100), whenSleeping: 1)
      told = try await messages(fixture, 3)
      let last = try #require(try JobRequest.Answer(told[2]).jobs.first ?? nil)
      #expect(last.status == .completed)
      #expect(last.result == ["a": 1])
      try await eventuallyNone(fixture)
      #expect(fixture.broker.state.value.confirmed(to: "answers").count == 3)
    }
  }

  private func eventuallyNone(_ fixture: ServerFixture) async throws {
    let deadline = ContinuousClock.now + .seconds(30)
    while fixture.hub.watches.count > 0 {
      guard ContinuousClock.now < deadline else {
        throw Watched<String>.Overdue(what: "no watches", state: "\(fixture.hub.watches.count)")
      }
      await Task.yield()
    }
  }

  @Test("of a job that is not there, or is another tenant's, say so and end")
  func watchNothing() async throws {
    let fixture = try await ServerFixture()
    let job = try await fixture.jobs(1)[0]
    try await fixture.run([consumer(fixture), publisher(fixture)]) {
      let requests = try await fixture.broker.consumer(of: "jobs.requests")
      requests.deliver([try ask(.watch(job.id, for: .seconds(60)), tenant: UUID())])
      let told = try await messages(fixture, 1)
      #expect(try JobRequest.Answer(told[0]).jobs == [nil])
      try await eventuallyNone(fixture)
    }
  }

  @Test("end where there is nobody any more")
  func gone() async throws {
    let fixture = try await ServerFixture()
    let jobs = try await fixture.jobs(3)
    fixture.broker.set { _ in .returned(replyCode: 312, text: "NO_ROUTE") }
    try await fixture.run([consumer(fixture), publisher(fixture)]) {
      let requests = try await fixture.broker.consumer(of: "jobs.requests")
      requests.deliver(try jobs.map { try ask(.watch($0.id, for: .seconds(60))) })
      try await requests.untilAcknowledged(3)
      try await fixture.clock.passing(by: .milliseconds(100)) { try await eventuallyNone(fixture) }
    }
  }

  @Test("are told again what was not taken, and others meanwhile")
  func refusedMessages() async throws {
    let fixture = try await ServerFixture()
    let job = try await fixture.jobs(1)[0]
    fixture.broker.set { $0.routingKey == "full" ? .nacked : .confirmed }
    try await fixture.run([consumer(fixture), publisher(fixture)]) {
      let requests = try await fixture.broker.consumer(of: "jobs.requests")
      requests.deliver([
        try ask(.watch(job.id, for: .seconds(300)), from: "full"),
        try ask(.watch(job.id, for: .seconds(300))),
      ])
      _ = try await messages(fixture, 1)
      try await fixture.clock.passing(by: .milliseconds(500)) {
        try await fixture.broker.state.until("tried again") { $0.offered(to: "full").count > 1 }
        fixture.broker.set { _ in .confirmed }
        _ = try await messages(fixture, to: "full", 1)
      }
    }
  }
}

@Suite("Watches") struct JobWatchesTests {
  private let clock = ManualClock()

  private func taken(_ watches: JobWatches) -> [JobID] {
    let batches = watches.take(limit: 100)
    for batch in batches { watches.end(batch.address, failed: [], over: [], isGone: false) }
    return batches.flatMap { $0.watches.map(\.job) }
  }

  private func add(
    _ watches: JobWatches, _ job: JobID, _ address: String = "a",
    for duration: Duration = .seconds(60)
  ) -> LookupError? {
    watches.add(job, tenant: .zero, address: address, correlationID: nil, for: duration)
  }

  @Test("what nobody watches is no news")
  func unwatched() {
    let watches = JobWatches(clock: clock)
    let job = JobID()
    watches.note([job])
    #expect(taken(watches).isEmpty)
    #expect(add(watches, job) == nil)
    #expect(taken(watches) == [job])
    watches.note([JobID()])
    #expect(taken(watches).isEmpty)
    watches.note([job, job])
    #expect(taken(watches) == [job])
  }

  @Test("a watch ends with its time, and asking again prolongs it")
  func time() {
    let watches = JobWatches(clock: clock)
    let job = JobID()
    _ = add(watches, job)
    clock.advance(by: .seconds(50))
    _ = add(watches, job)
    #expect(watches.count == 1)
    _ = taken(watches)
    clock.advance(by: .seconds(60))
    watches.note([job])
    #expect(taken(watches) == [job])
    clock.advance(by: .milliseconds(1))
    watches.note([job])
    #expect(taken(watches).isEmpty)
    #expect(watches.count == 0)
  }

  @Test("an address is told one after the other, others beside it")
  func busy() {
    let watches = JobWatches(clock: clock)
    let (job, other) = (JobID(), JobID())
    _ = add(watches, job)
    let first = watches.take(limit: 100)
    #expect(first.map(\.address) == ["a"])
    watches.note([job])
    _ = add(watches, other, "b")
    let second = watches.take(limit: 100)
    #expect(second.map(\.address) == ["b"])
    watches.end("a", failed: [], over: [job], isGone: false)
    // There is more to tell.
    #expect(watches.take(limit: 100).map(\.address) == ["a"])
    watches.end("a", failed: [], over: [job], isGone: false)
    #expect(watches.count == 1)
  }

  @Test("what was not told is told again, until its time is over")
  func failure() {
    let watches = JobWatches(clock: clock)
    let job = JobID()
    _ = add(watches, job)
    #expect(watches.take(limit: 100).count == 1)
    watches.end("a", failed: [job], over: [], isGone: false)
    #expect(watches.take(limit: 100).count == 1)
    clock.advance(by: .seconds(61))
    watches.end("a", failed: [job], over: [], isGone: false)
    #expect(watches.take(limit: 100).isEmpty)
    #expect(watches.count == 0)
  }

  @Test("there are so many, and so many of one address; those that are over make room")
  func bounds() {
    let watches = JobWatches(clock: clock)
    for address in 0..<10 {
      for _ in 0..<1_000 { #expect(add(watches, JobID(), "\(address)") == nil) }
    }
    #expect(watches.count == 10_000)
    #expect(add(watches, JobID(), "0")?.description.contains("10000") == true)
    #expect(add(watches, JobID(), "new")?.description.contains("10000") == true)
    clock.advance(by: .seconds(61))
    for _ in 0..<1_000 { #expect(add(watches, JobID(), "0") == nil) }
    #expect(add(watches, JobID(), "0")?.description.contains("1000 ") == true)
  }
}
