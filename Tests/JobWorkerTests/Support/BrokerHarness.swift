import AMQP
import Foundation
import JobTransport
import JobWorker
import Jobs
import ServiceLifecycle
import TestSupport
import Testing

/// A real broker, names of its own, and the server's place taken by an authority in memory.
struct BrokerHarness: Sendable {
  let broker: ThrowawayBroker
  let names: TransportNames
  let connection: Connection
  let authority = MemoryAuthority()
  /// What workers have said through the queue of reports.
  let mail = Recorder<WorkerMessage>()

  /// Runs `body` with one; on the broker that all tests share, unless it is given one that it may maltreat.
  static func with(
    _ own: ThrowawayBroker? = nil, _ body: @Sendable @escaping (BrokerHarness) async throws -> Void
  ) async throws {
    let broker: ThrowawayBroker
    if let own { broker = own } else { broker = try await .shared() }
    let harness = try BrokerHarness(broker)
    try await withThrowingTaskGroup { group in
      group.addTask { try await harness.connection.run() }
      group.addTask { try await harness.readMail() }
      defer { group.cancelAll() }
      try await harness.connection.waitUntilReady(timeout: .seconds(30))
      try await body(harness)
    }
  }

  private init(_ broker: ThrowawayBroker) throws {
    self.broker = broker
    let names = try TransportNames(prefix: "t-\(UUID().uuidString.prefix(8).lowercased())")
    self.names = names
    var configuration = try ConnectionConfiguration(url: broker.url)
    configuration.connectionName = "test"
    connection = Connection(
      configuration: configuration,
      topology: { JobTopology.server(names, queues: [.compute], broker: $0.version) },
      logger: silent)
  }

  private func readMail() async throws {
    try await connection.waitUntilReady(timeout: .seconds(30))
    let consumer = try await connection.consume(
      Subscription(queue: names.reports, prefetch: 0, noAck: true))
    for try await deliveries in consumer {
      for delivery in deliveries {
        mail.add(try #require(try WireCoding.received(delivery.message).understood))
      }
    }
  }

  func worker(
    _ types: [RegisteredJobType], capacity: Int = 1,
    configure: (inout JobWorkerConfiguration) -> Void = { _ in }
  ) throws -> JobWorker<MemoryAuthority> {
    var registry = JobRegistry()
    registry.register(JobQueue(name: .compute, capacity: capacity))
    for type in types { try registry.register(type) }
    var configuration = JobWorkerConfiguration(
      broker: try ConnectionConfiguration(url: broker.url), names: names, registry: registry,
      patience: .seconds(5), obeysSignals: false)
    configure(&configuration)
    return JobWorker(configuration: configuration, authority: authority, logger: silent)
  }

  /// Waits until a worker has announced something.
  func announced(
    _ worker: WorkerID, _ isRight: @escaping @Sendable (WorkerAnnouncement) -> Bool
  ) async -> Bool {
    await mail.wait(for: .seconds(60)) { messages in
      messages.contains { message in
        guard case .announcement(let announcement) = message else { return false }
        return announcement.worker == worker && isRight(announcement)
      }
    }
  }

  /// Waits until what was said last is a worker's announcement that is right.
  func announcedLast(
    _ worker: WorkerID, _ isRight: @escaping @Sendable (WorkerAnnouncement) -> Bool
  ) async -> Bool {
    await mail.wait { messages in
      guard case .announcement(let last) = messages.last else { return false }
      return last.worker == worker && isRight(last)
    }
  }

  /// Runs a worker while `body` does; it is told to end afterwards, and waited for.
  func withWorker(
    _ types: [RegisteredJobType], capacity: Int = 1,
    configure: (inout JobWorkerConfiguration) -> Void = { _ in },
    _ body: @Sendable @escaping (RunningWorker) async throws -> Void
  ) async throws {
    let worker = try worker(types, capacity: capacity, configure: configure)
    let running = RunningWorker(
      id: worker.id, group: ServiceGroup(services: worker.services, logger: silent))
    try await withThrowingTaskGroup { group in
      group.addTask {
        defer { running.ended.fire() }
        try await running.group.run()
      }
      defer { group.cancelAll() }
      try #require(await announced(worker.id))
      try await body(running)
      #expect(await running.shutDown())
    }
  }

  func announced(_ worker: WorkerID, times: Int = 1) async -> Bool {
    await mail.wait(for: .seconds(60)) { Self.announcements(of: worker, in: $0) >= times }
  }

  private static func announcements(of worker: WorkerID, in messages: [WorkerMessage]) -> Int {
    messages.count { message in
      if case .announcement(let announcement) = message {
        announcement.worker == worker
      } else {
        false
      }
    }
  }

  /// Adds a job, issues a ticket, and wakes who waits for such a job.
  @discardableResult
  func submit(_ job: Job) async throws -> JobID {
    let parked = authority.add(job)
    try await issueTicket(for: job.queue)
    for worker in parked { try await command(.wake(job.queue), to: worker) }
    return job.id
  }

  func issueTicket(for queue: JobQueueName = .compute) async throws {
    try await publish(WireCoding.ticket(), to: queue)
  }

  func publish(_ message: Message, to queue: JobQueueName = .compute) async throws {
    let verdict = await connection.publish(
      Publication(message, exchange: names.work, routingKey: queue.rawValue, mandatory: true))
    #expect(verdict == .confirmed)
  }

  func command(_ command: ControlCommand, to worker: WorkerID) async throws {
    let verdict = await connection.publish(
      Publication(
        try WireCoding.message(command), exchange: names.control, routingKey: worker.rawValue,
        mandatory: true))
    #expect(verdict == .confirmed)
  }

  /// Asks a worker what it knows of an attempt; `nil` when it is gone. Like the server, it asks again when a connection took
  /// the question or the reply along.
  ///
  /// - Parameter comesBack: whether the worker is only away when its queue is not there: it announces itself once it is back.
  private func confirm(
    _ attempt: RunningAttempt, by worker: WorkerID, comesBack: Bool = false
  ) async throws -> ControlReply? {
    let question = Publication(
      try WireCoding.message(.confirm([attempt])), exchange: names.control,
      routingKey: worker.rawValue)
    var tries = 4
    while true {
      tries -= 1
      let announcements = Self.announcements(of: worker, in: mail.all)
      do {
        return try WireCoding.reply(await connection.request(question, timeout: .seconds(5)))
      } catch AMQPError.returned {
        guard comesBack, tries > 0, await announced(worker, times: announcements + 1) else {
          return nil
        }
      } catch is AMQPError where tries > 0 {
        continue
      }
    }
  }

  /// Expects what a worker says of an attempt; nothing of one that is gone.
  func expect(
    _ expected: AttemptState?, of job: JobID, attempt: Int = 1, by worker: WorkerID,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let reply = try await confirm(
      RunningAttempt(job: job, attempt: attempt), by: worker, comesBack: expected != nil)
    #expect(reply == expected.map { .attempts([$0]) }, sourceLocation: sourceLocation)
  }

  /// Whether the worker comes to say that it has reported an attempt: a moment after the authority has the report.
  func isReported(_ job: JobID, by worker: WorkerID) async -> Bool {
    let attempt = RunningAttempt(job: job, attempt: 1)
    for _ in 0..<100 {
      if (try? await confirm(attempt, by: worker)) == .attempts([.reported]) { return true }
      await Task.yield()
    }
    return false
  }

  /// Whether no ticket is left, now that the worker has ended: what is published last is the first to come out. What was not
  /// acknowledged comes back in front of it.
  func isWorkedOff() async throws -> Bool {
    var last = Message(text: "last")
    last.properties.type = "last"
    try await publish(last)
    return try await next(in: names.queue(.compute))?.properties.type == "last"
  }

  /// Whether the queue hands out a ticket. What a connection leaves behind at its end is queued again only after the broker
  /// has said that it is closed, so this waits.
  func hasTicket() async throws -> Bool {
    try await next(in: names.queue(.compute)).map(WireCoding.isTicket) ?? false
  }

  /// Waits until the queue looks like this, which nobody announces. A consumer that holds something is counted when it is
  /// cancelled, too.
  func eventually(ready: UInt32, consumers: UInt32? = nil) async throws -> Bool {
    let deadline = ContinuousClock.now + .seconds(20)
    while ContinuousClock.now < deadline {
      let info = try await connection.inspect(queue: names.queue(.compute))
      if info.messages == ready, info.consumers == consumers ?? info.consumers { return true }
    }
    return false
  }

  /// The next message of a queue; nil when none comes.
  func next(in queue: String) async throws -> Message? {
    let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 1))
    let delivery = try await bounded(.seconds(20)) {
      var iterator = consumer.makeAsyncIterator()
      return try await iterator.next()?.first
    }
    guard let delivery = delivery ?? nil else { return nil }
    await consumer.ack([delivery.tag])
    await consumer.cancel()
    return delivery.message
  }
}
