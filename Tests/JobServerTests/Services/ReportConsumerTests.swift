import AMQP
import Foundation
import JobStore
import Jobs
import SwiftProtobuf
import Testing

@testable import JobServer
@testable import JobTransport

@Suite("The consumer of reports", .timeLimit(.minutes(2))) struct ReportConsumerTests {
  private let worker = WorkerID(rawValue: "w")

  private func consumer(
    _ fixture: ServerFixture, access: BrokerAccess = BrokerAccess()
  ) -> ReportConsumer<MemoryBroker> {
    ReportConsumer(
      authority: fixture.authority,
      registrar: WorkerRegistrar(
        authority: fixture.authority, directory: fixture.directory, catalog: fixture.catalog,
        initializer: fixture.initializer, leases: NoLeases(), workers: fixture.workers,
        parked: fixture.parked, store: fixture.store, connection: fixture.broker,
        names: fixture.names, declarations: fixture.declarations, log: fixture.log),
      inbox: fixture.inbox, kept: fixture.kept, broker: fixture.broker,
      deadLetters: fixture.deadLetters,
      names: fixture.names, access: access, redriven: fixture.redriven(access),
      clock: fixture.clock, log: fixture.log)
  }

  @Test("believes workers alone, and the server's own marks")
  func access() async throws {
    let fixture = try await ServerFixture()
    let access = BrokerAccess(users: [
      "workers": .init(isWorker: true), "shop": .init(tenants: .any),
    ])
    func announcement(_ name: String, by user: String?) throws -> AMQP.Message {
      var message = try WireCoding.message(
        WorkerMessage.announcement(
          WorkerAnnouncement(
            worker: WorkerID(rawValue: name), host: "h", processID: 1, startedAt: .now, queues: [],
            groups: [], types: [])))
      message.properties.userID = user
      return message
    }
    let deliveries = [
      try announcement("forged", by: "shop"), try announcement("nameless", by: String?.none),
      try announcement("w", by: "workers"), try WireCoding.message(WorkerMessage.mark(UUID())),
    ]
    try await fixture.run([consumer(fixture, access: access)]) {
      let reports = try await fixture.broker.consumer(of: "jobs.reports")
      reports.deliver(deliveries)
      try await reports.untilAcknowledged(4)
      #expect(fixture.directory.all.map(\.worker) == [worker])
      let dead = fixture.broker.state.value.confirmed.filter { $0.exchange == "jobs.dead" }
      #expect(
        dead.map { $0.message.properties.headers[DeadLetter.reason] }
          == [.string("forbidden"), .string("forbidden")])
    }
  }

  @Test(
    "has the queue of a worker declared as its broker needs it",
    arguments: [BrokerInfo.Version(3, 10, 8), BrokerInfo.Version(4, 1)])
  func queue(_ version: BrokerInfo.Version) async throws {
    let fixture = try await ServerFixture()
    fixture.broker.state.update { $0.version = version }
    let queue = try JobQueueName("video")
    let expected = JobTopology.work(fixture.names, queues: [queue], broker: version).queues
    let registrar = consumer(fixture).registrar
    let announcement = WorkerAnnouncement(
      worker: worker, host: "h", processID: 1, startedAt: .now,
      queues: [JobQueue(name: queue, capacity: 1)], groups: [], types: [])
    try await fixture.run([]) {
      try await registrar.welcome(announcement)
      try await fixture.broker.state.until("declared") { $0.declared == expected }
    }
  }

  @Test("takes a worker's types but for those whose schema is refused, and says which")
  func refusedSchema() async throws {
    let fixture = try await ServerFixture()
    func type(_ name: String) throws -> JobTypeDescription {
      JobTypeDescription(
        id: try JobTypeID(group: "video", name: name), description: "", timeout: .zero,
        retry: .never, params: [:], schema: .anything, suspendable: false)
    }
    let announcement = WorkerAnnouncement(
      worker: worker, host: "h", processID: 1, startedAt: .now, queues: [],
      groups: [try JobGroup("video", queue: .compute)], types: [try type("cut"), try type("join")])
    var message = try WireCoding.message(.announcement(announcement))
    var form = try WireFromWorker(serializedBytes: message.body)
    guard case .announcement(let json) = form.kind,
      var members = try JSONValue(parsing: json).members,
      case .array(var types)? = members["types"], var second = types[1].members
    else {
      Issue.record("no announcement")
      return
    }
    second["params_schema"] = ["unevaluatedProperties": false]
    types[1] = .object(second)
    members["types"] = .array(types)
    form.kind = .announcement(Data(JSONValue.object(members).text.utf8))
    message.body = try form.serializedBytes()
    let altered = message
    try await fixture.run([consumer(fixture)]) {
      let inbox = try await fixture.broker.consumer(of: "jobs.reports")
      inbox.deliver([altered])
      try await inbox.untilAcknowledged(1)
      #expect(fixture.directory.all.first?.types.map(\.id.name) == ["cut"])
      let reason = fixture.directory.all.first?.refusedTypes.first?.reason
      #expect(reason?.problems.first?.pointer == "/unevaluatedProperties")
      #expect(fixture.broker.state.value.offered.isEmpty)
      let ids = try await fixture.store.catalog().types.map(\.id.description)
      #expect(ids.contains("video:cut") && !ids.contains("video:join"))
    }
  }

  private func completion(_ job: Job) -> JobReport {
    JobReport(job: job.id, attempt: 1, worker: worker, content: .ended(.completed(result: 1)))
  }

  /// What a worker may write that is newer than the server, or broken.
  enum Oddity {
    /// A report of a kind that the server does not know.
    case report
    /// An outcome of such a kind.
    case outcome
    /// A report that names no job.
    case noJob
  }

  /// A field that no version has yet, as it is written: number 100, the text "novel".
  private static let novel: [UInt8] = [0xA2, 0x06, 5] + Array("novel".utf8)

  /// A message whose first report is odd.
  private func message(
    _ reports: [JobReport], _ oddity: Oddity, version: Int64? = nil
  ) throws -> AMQP.Message {
    var message = try WireCoding.message(.reports(reports))
    var form = try WireFromWorker(serializedBytes: message.body)
    var report = form.reports.reports[0]
    switch oddity {
    case .report:
      report.content = nil
      try report.merge(serializedBytes: Self.novel)
    case .outcome:
      report.content = .ended(try WireOutcome(serializedBytes: Self.novel))
    case .noJob:
      report.clearJob()
    }
    form.reports.reports[0] = report
    message.body = try form.serializedBytes()
    if let version { message.properties.headers["x-warren-version"] = .int64(version) }
    return message
  }

  @Test(
    "keeps a report of an unknown kind for a newer server, and applies its siblings",
    arguments: [Oddity.report, .outcome])
  func unknownKind(_ oddity: Oddity) async throws {
    let fixture = try await ServerFixture()
    let jobs = try await fixture.running(64, by: worker)
    let message = try message(jobs.map(completion), oddity)
    try await fixture.run([consumer(fixture)]) {
      let inbox = try await fixture.broker.consumer(of: "jobs.reports")
      inbox.deliver([message])
      try await inbox.untilAcknowledged(1)
      for job in jobs.dropFirst() { #expect(try await fixture.status(job) == .completed) }
      #expect(try await fixture.status(jobs[0]) == .running)
      let kept = fixture.broker.state.value.queues["jobs.reports.unknown"] ?? []
      try #require(kept.count == 1)
      #expect(kept[0].properties.headers["x-warren-reason"]?.stringValue == "unknown-report")
      let form = try WireFromWorker(serializedBytes: kept[0].body)
      #expect(form.reports.reports.map(\.job.uuid) == [jobs[0].id.uuid])
      // What is not known of it is kept with it.
      #expect(String(decoding: kept[0].body, as: UTF8.self).contains("novel"))
      #expect(fixture.broker.state.value.confirmed.allSatisfy { $0.exchange != "jobs.dead" })
      #expect(fixture.log.counters.unknownReports == 1)
      guard case .outcome = oddity else { return }
      // The outcome is there: the job does not run again, even without its worker.
      fixture.broker.set { publication in
        publication.isCommand
          ? .returned(replyCode: 312, text: "NO_ROUTE") : .confirmed
      }
      #expect(await fixture.workers.settle(worker))
      #expect(try await fixture.status(jobs[0]) == .running)
    }
  }

  @Test("keeps what a newer worker writes in another shape, and a message of an unknown kind")
  func newer() async throws {
    let fixture = try await ServerFixture()
    let job = try await fixture.running(1, by: worker)[0]
    let shape = try message([completion(job)], .noJob, version: 99)
    let kind = AMQP.Message(
      body: Self.novel,
      properties: try WireCoding.message(.reports([completion(job)])).properties)
    try await fixture.run([consumer(fixture)]) {
      let inbox = try await fixture.broker.consumer(of: "jobs.reports")
      inbox.deliver([shape, kind])
      try await inbox.untilAcknowledged(2)
      #expect(fixture.broker.state.value.queues["jobs.reports.unknown"]?.count == 2)
    }
  }

  @Test("makes a malformed report a dead letter, and applies its siblings")
  func malformed() async throws {
    let fixture = try await ServerFixture()
    let jobs = try await fixture.running(3, by: worker)
    let message = try message(jobs.map(completion), .noJob)
    try await fixture.run([consumer(fixture)]) {
      let inbox = try await fixture.broker.consumer(of: "jobs.reports")
      inbox.deliver([message, AMQP.Message(text: "no message")])
      try await inbox.untilAcknowledged(2)
      #expect(try await fixture.status(jobs[2]) == .completed)
      let dead = fixture.broker.state.value.confirmed.filter { $0.exchange == "jobs.dead" }
      #expect(dead.count == 2)
      #expect(fixture.broker.state.value.queues["jobs.reports.unknown"] == nil)
    }
  }

  @Test("acknowledges nothing before it is stored")
  func store() async throws {
    let fixture = try await ServerFixture()
    let job = try await fixture.running(1, by: worker)[0]
    let message = try WireCoding.message(.reports([completion(job)]))
    try await fixture.breakStore()
    try await fixture.run([consumer(fixture)]) {
      let inbox = try await fixture.broker.consumer(of: "jobs.reports")
      inbox.deliver([message])
      for _ in 0..<3 { try await fixture.clock.advance(by: .seconds(30), whenSleeping: 1) }
      #expect(inbox.state.value.acknowledged.isEmpty)
      try await fixture.mendStore()
      try await fixture.clock.passing(by: .seconds(30)) {
        try await inbox.untilAcknowledged(1)
      }
      #expect(try await fixture.status(job) == .completed)
    }
  }

  @Test("fails the job whose outcome the store does not take, and applies its siblings")
  func unfit() async throws {
    let fixture = try await ServerFixture()
    let jobs = try await fixture.running(3, by: worker)
    try await fixture.execute(
      """
      CREATE TRIGGER picky BEFORE UPDATE OF result ON payload WHEN old.number = 1
      BEGIN SELECT raise(ABORT, 'not this one'); END
      """)
    let message = try WireCoding.message(.reports(jobs.map(completion)))
    try await fixture.run([consumer(fixture)]) {
      let inbox = try await fixture.broker.consumer(of: "jobs.reports")
      inbox.deliver([message])
      try await inbox.untilAcknowledged(1)
      let failed = try #require(try await fixture.store.job(jobs[0].id))
      #expect(failed.status == .failed)
      #expect(failed.error?.contains("cannot be stored") == true)
      #expect(try await fixture.status(jobs[1]) == .completed)
      #expect(try await fixture.status(jobs[2]) == .completed)
    }
  }

  @Test("does not wait for a worker that is told to stop, nor for what is set aside")
  func silence() async throws {
    let fixture = try await ServerFixture()
    let job = try await fixture.running(1, by: worker)[0]
    let foreign = JobReport(
      job: job.id, attempt: 1, worker: WorkerID(rawValue: "other"),
      content: .ended(.completed(result: nil)))
    let first = try WireCoding.message(.reports([foreign]))
    let second = try WireCoding.message(.reports([completion(job)]))
    fixture.broker.set { publication in
      if !publication.exchange.isEmpty { await MemoryBroker.silence() }
      return .confirmed
    }
    try await fixture.run([consumer(fixture)]) {
      let inbox = try await fixture.broker.consumer(of: "jobs.reports")
      inbox.deliver([first, AMQP.Message(text: "no message")])
      try await fixture.broker.state.until("the worker is told") { state in
        state.offered.contains { $0.isCommand }
          && state.offered.contains { $0.exchange == "jobs.dead" }
      }
      inbox.deliver([second])
      try await inbox.untilAcknowledged(2)
      #expect(inbox.state.value.acknowledged == [1, 3])
      #expect(try await fixture.status(job) == .completed)
    }
  }

  @Test(
    "gives a newer server back what an older one has kept; what that one does not know waits on")
  func redrive() async throws {
    let fixture = try await ServerFixture()
    let jobs = try await fixture.running(2, by: worker)
    let known = try WireCoding.message(.reports([completion(jobs[0])]))
    let unknown = try message([completion(jobs[1])], .report)
    let messages = [unknown, known, unknown]
    fixture.broker.state.update { $0.queues["jobs.reports.unknown"] = messages }
    let redrive = UnknownReports(
      broker: fixture.broker, names: fixture.names, kept: fixture.kept,
      clock: fixture.clock, log: fixture.log)
    try await fixture.run([consumer(fixture), redrive]) {
      try await fixture.until(jobs[0], is: .completed)
      let kept = try await fixture.broker.consumer(of: "jobs.reports.unknown")
      try await kept.untilAcknowledged(3)
      try await kept.state.until("over") { $0.isCancelled }
      #expect(fixture.broker.state.value.confirmed(to: "jobs.reports.unknown").count == 2)
    }
  }

  @Test("takes no job from a worker that is gone before it is known what an older server has kept")
  func keptFirst() async throws {
    let fixture = try await ServerFixture()
    let job = try await fixture.running(1, by: worker)[0]
    let kept = KeptAttempts()
    let workers = WorkerCheck(
      store: fixture.store, control: fixture.control, inbox: fixture.inbox, kept: kept,
      directory: fixture.directory, parked: fixture.parked, poisonLimit: 5, clock: fixture.clock,
      log: fixture.log)
    fixture.broker.set { publication in
      publication.isCommand
        ? .returned(replyCode: 312, text: "NO_ROUTE") : .confirmed
    }
    let message = try message([completion(job)], .outcome)
    fixture.broker.state.update { $0.queues["jobs.reports.unknown"] = [message] }
    try await fixture.run([consumer(fixture)]) {
      #expect(await !workers.settle(worker))
      #expect(try await fixture.status(job) == .running)
      let redrive = UnknownReports(
        broker: fixture.broker, names: fixture.names, kept: kept, clock: fixture.clock,
        log: fixture.log)
      try await fixture.run([redrive]) {
        while !kept.isRead { await Task.yield() }
        #expect(await workers.settle(worker))
        let status = try await fixture.status(job)
        #expect(status == .running)
        // Whoever cancels it does not want to know of the outcome.
        let canceling = try await fixture.store.apply(
          JobCommand(.cancel(reason: nil), of: job.id), at: fixture.clock.now)
        #expect(canceling?.job.status == .canceling)
        #expect(await workers.settle(worker))
        let canceled = try await fixture.status(job)
        #expect(canceled == .canceled)
      }
    }
  }
}

/// Watches over nobody.
struct NoLeases: LeaseWatching {
  func watch(_ worker: WorkerID) {}
}
