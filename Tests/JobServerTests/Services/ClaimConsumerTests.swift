import AMQP
import Foundation
import JobStore
import JobTransport
import Jobs
import Testing

@testable import JobServer

@Suite("The consumer of claims", .timeLimit(.minutes(2))) struct ClaimConsumerTests {
  private let worker = WorkerID(rawValue: "w")

  private func consumer(
    _ fixture: ServerFixture, access: BrokerAccess = BrokerAccess()
  ) -> ClaimConsumer<MemoryBroker> {
    ClaimConsumer(
      authority: fixture.authority, consuming: fixture.broker, publishing: fixture.broker,
      names: fixture.names, access: access, log: fixture.log)
  }

  @Test("answers workers alone")
  func access() async throws {
    let fixture = try await ServerFixture()
    let access = BrokerAccess(users: ["workers": .init(isWorker: true), "shop": .init()])
    try await register(worker, in: fixture)
    _ = try await fixture.jobs(1)
    var (forged, own) = (try question(request(1), from: "forger"), try question(request(1)))
    forged.properties.userID = "shop"
    own.properties.userID = "workers"
    let questions = [forged, own]
    try await fixture.run([consumer(fixture, access: access)]) {
      let claims = try await fixture.broker.consumer(of: "jobs.claims")
      claims.deliver(questions)
      #expect(try await answer(fixture).jobs.count == 1)
      #expect(fixture.broker.state.value.offered(to: "forger").isEmpty)
      #expect(fixture.log.counters.badClaims == 1)
    }
  }

  private func notices(_ fixture: ServerFixture) -> WorkerNotices {
    WorkerNotices(
      parked: fixture.parked, releases: fixture.hub.releases, store: fixture.store,
      control: fixture.control, commands: fixture.commands, log: fixture.log)
  }

  private func request(
    _ count: Int, epoch: Int64 = 1, types: [String] = ["test:job"], by worker: WorkerID? = nil
  ) throws -> ClaimRequest {
    ClaimRequest(
      worker: worker ?? self.worker, epoch: epoch, queue: .compute, count: count,
      types: try types.map { try JobTypeID($0) })
  }

  private func question(_ request: ClaimRequest, from address: String = "answers") throws -> Message
  {
    var message = try WireCoding.message([request])
    message.properties.replyTo = address
    return message
  }

  private func answer(
    _ fixture: ServerFixture, to address: String = "answers", _ number: Int = 1
  ) async throws -> ClaimAnswer {
    try await fixture.broker.state.until("\(number) answers") {
      $0.confirmed(to: address).count >= number
    }
    return try WireCoding.answers(
      fixture.broker.state.value.confirmed(to: address)[number - 1].message)[0]
  }

  private func register(_ worker: WorkerID, in fixture: ServerFixture) async throws {
    _ = try await fixture.store.register(
      WorkerRegistration(worker: worker, epoch: 1), at: fixture.clock.now)
  }

  @Test("gives a worker what is due, and answers each of several")
  func grants() async throws {
    let fixture = try await ServerFixture()
    let other = WorkerID(rawValue: "other")
    for worker in [worker, other] { try await register(worker, in: fixture) }
    let jobs = try await fixture.jobs(5)
    let questions = [
      try question(try request(3), from: "first"),
      try question(try request(3, by: other), from: "second"),
    ]
    try await fixture.run([consumer(fixture)]) {
      let claims = try await fixture.broker.consumer(of: "jobs.claims")
      claims.deliver(questions)
      let first = try await answer(fixture, to: "first")
      let second = try await answer(fixture, to: "second")
      #expect(first.jobs.map(\.job) == jobs.prefix(3).map(\.id))
      #expect(second.jobs.map(\.job) == jobs.suffix(2).map(\.id))
      #expect(second.rest == .void)
    }
  }

  @Test("gives a worker that it does not know nothing")
  func unregistered() async throws {
    let fixture = try await ServerFixture()
    try await register(worker, in: fixture)
    _ = try await fixture.jobs(1)
    let question = try question(try request(1, epoch: 2))
    try await fixture.run([consumer(fixture)]) {
      let claims = try await fixture.broker.consumer(of: "jobs.claims")
      claims.deliver([question])
      #expect(try await answer(fixture) == ClaimAnswer(jobs: [], rest: .unregistered))
    }
  }

  @Test("counts what it cannot answer, and answers what came with it")
  func senseless() async throws {
    let fixture = try await ServerFixture()
    try await register(worker, in: fixture)
    _ = try await fixture.jobs(1)
    let good = try question(try request(1))
    var nobody = try question(try request(1))
    nobody.properties.replyTo = nil
    var spoilt = good
    spoilt.body = Message(text: "{").body
    let deliveries = [Message(text: "nothing"), spoilt, good, nobody]
    try await fixture.run([consumer(fixture)]) {
      let claims = try await fixture.broker.consumer(of: "jobs.claims")
      claims.deliver(deliveries)
      #expect(try await answer(fixture).jobs.count == 1)
      #expect(fixture.log.counters.badClaims == 3)
    }
  }

  @Test("parks a worker that can run nothing of what is due, and wakes it when it can")
  func parking() async throws {
    let fixture = try await ServerFixture()
    try await register(worker, in: fixture)
    _ = try await fixture.jobs(5, type: "test:other")
    let question = try question(try request(2))
    try await fixture.run([consumer(fixture), notices(fixture)]) {
      let claims = try await fixture.broker.consumer(of: "jobs.claims")
      claims.deliver([question])
      #expect(try await answer(fixture) == ClaimAnswer(jobs: [], rest: .park))
      #expect(fixture.parked.isParked(worker, in: .compute))
      // More of what it cannot run is no reason to wake it.
      _ = try await fixture.jobs(1, type: "test:other")
      #expect(fixture.parked.isParked(worker, in: .compute))
      _ = try await fixture.jobs(1)
      try await fixture.broker.state.until("woken") { state in
        state.confirmed(to: "jobs.worker.w").contains {
          (try? WireCoding.command($0.message)) == .wake(.compute)
        }
      }
      #expect(!fixture.parked.isParked(worker, in: .compute))
    }
  }

  @Test("wakes another one when the first that it wakes is gone")
  func wakeAnother() async throws {
    let fixture = try await ServerFixture()
    let other = WorkerID(rawValue: "other")
    let type = try JobTypeID("test:job")
    let woken = Watched<[String]>([])
    fixture.broker.set { publication in
      guard publication.isCommand else { return .confirmed }
      return woken.update { woken in
        woken.append(publication.routingKey)
        // Whoever is told first is gone.
        return woken.count == 1 ? .returned(replyCode: 312, text: "NO_ROUTE") : .confirmed
      }
    }
    for worker in [worker, other] {
      fixture.parked.park(worker, in: .compute, types: [type])
    }
    try await fixture.run([notices(fixture)]) {
      _ = try await fixture.jobs(1)
      try await woken.until("both were told") { Set($0) == ["jobs.worker.w", "jobs.worker.other"] }
    }
  }
}

@Suite("Parked workers") struct ParkedWorkersTests {
  private let type: JobTypeID
  private let other: JobTypeID

  init() throws {
    type = try JobTypeID("test:job")
    other = try JobTypeID("test:other")
  }

  private func due(
    _ count: Int, _ type: JobTypeID, _ queue: JobQueueName = .compute
  ) -> [DueJobs] {
    [DueJobs(queue: queue, type: type, count: count)]
  }

  private func workers(_ count: Int, parkedIn parked: ParkedWorkers) -> [WorkerID] {
    let workers = (0..<count).map { WorkerID(rawValue: "w\($0)") }
    for worker in workers { parked.park(worker, in: .compute, types: [type]) }
    return workers
  }

  @Test("are woken as many as there are jobs", arguments: [(1, 1), (3, 3), (9, 5)])
  func count(_ jobs: Int, _ woken: Int) {
    let parked = ParkedWorkers()
    let workers = workers(5, parkedIn: parked)
    parked.wake(for: due(jobs, type))
    #expect(workers.count { !parked.isParked($0, in: .compute) } == woken)
  }

  @Test("sleep on when what is due is of another type or queue")
  func others() {
    let parked = ParkedWorkers()
    let workers = workers(2, parkedIn: parked)
    parked.wake(for: due(5, other) + due(5, type, .download))
    #expect(workers.allSatisfy { parked.isParked($0, in: .compute) })
  }

  @Test("are told of each time that they are woken")
  func told() async {
    let parked = ParkedWorkers()
    let worker = workers(1, parkedIn: parked)[0]
    parked.wake(for: due(1, type))
    parked.wake(for: due(1, type))
    parked.park(worker, in: .compute, types: [type, other])
    parked.wake(for: due(1, other))
    var wakeUps = parked.wakeUps.makeAsyncIterator()
    let expected = ParkedWorkers.WakeUp(worker: worker, queue: .compute)
    #expect(await wakeUps.next() == expected)
    #expect(await wakeUps.next() == expected)
    #expect(!parked.isParked(worker, in: .compute))
  }
}
