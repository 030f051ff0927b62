import AMQP
import Foundation
import JobTransport
import Jobs
import Logging
import ServiceLifecycle
import Synchronization

/// Asks the server over the broker what becomes of jobs, and waits for what it is told: there is no server's address to know, and
/// nothing is asked again and again. The queue of answers lasts as long as the connection; after a loss everything that is waited for is
/// asked once more.
struct BrokerDesk: JobDesk, Service {
  /// How long a job may be unknown to the server that was accepted by the broker: the server may not have read it yet. What is asked
  /// goes another way than jobs, and overtakes those that wait to be read.
  private static let unknownLimit = Duration.seconds(120)
  /// How soon is asked again what a server has refused to answer, or could not be asked.
  private static let pause = Duration.seconds(2)
  /// How often is looked whether a wait has lasted so long that its job is asked for again, whatever was told.
  private static let audit = Duration.seconds(30)
  /// How often, at most, is said that questions are refused.
  private static let warningPause = Duration.seconds(10)
  /// How long the server tells of a job's progress before it has to be asked again.
  private static let watchTime = Duration.seconds(120)

  let connection: Connection
  let names: TransportNames
  let replies: String
  let producer: JobProducer
  let patience: Duration
  let logger: Logger
  private let table = WaitTable()

  init(
    connection: Connection, names: TransportNames, replies: String, producer: JobProducer,
    patience: Duration, logger: Logger
  ) {
    self.connection = connection
    self.names = names
    self.replies = replies
    self.producer = producer
    self.patience = patience
    self.logger = logger
  }

  // MARK: What is asked of it

  func jobs(_ ids: [JobID], tenant: UUID) async throws -> [Job?] {
    var found: [JobID: Job] = [:]
    var rest = ids[...]
    while !rest.isEmpty {
      let part = Array(rest.prefix(JobRequest.mostJobs))
      let answer = try await answer(to: .get(part), tenant)
      for job in answer.jobs.compactMap(\.self) { found[job.id] = job }
      let left = Set(answer.more ?? [])
      guard left.count < part.count else {
        throw JobDeskError("the server leaves out every job that it is asked for")
      }
      rest = part.filter(left.contains) + rest.dropFirst(part.count)
    }
    return ids.map { found[$0] }
  }

  func job(_ key: IdempotencyKey, tenant: UUID) async throws -> Job? {
    try await answer(to: .getKey(key), tenant).jobs.first ?? nil
  }

  /// Waits for as long as the server is away, and a while for a submission that it has not read yet.
  func id(of key: IdempotencyKey, tenant: UUID) async throws -> JobID {
    var unknownSince: ContinuousClock.Instant?
    while true {
      try table.checkIsOpen()
      do {
        if let job = try await job(key, tenant: tenant) { return job.id }
        let since = unknownSince ?? .now
        unknownSince = since
        let age = since.duration(to: .now)
        guard age < Self.unknownLimit else { throw UnknownJob(key: key) }
        try await Task.sleep(for: WaitTable.pause(unknownFor: age))
      } catch let error where error is AMQPError || error is JobDeskError {
        // The broker or the server is away, or the server cannot read its store now.
        logger.debug("a key is asked for again", metadata: ["error": "\(error)"])
        try await Task.sleep(for: Self.pause)
      }
    }
  }

  private func answer(to request: JobRequest, _ tenant: UUID) async throws -> JobRequest.Answer {
    do {
      let message = try request.message(tenant: tenant, patience: patience)
      return try JobRequest.Answer(
        try await connection.request(
          Publication(message, exchange: names.requests, routingKey: "", mandatory: true),
          timeout: patience))
    } catch let error as LookupError {
      throw JobDeskError(error.description)
    }
  }

  func end(of id: JobID, tenant: UUID) async throws -> Job {
    try await table.end(of: AskedJob(tenant: tenant, id: id))
  }

  func changes(of id: JobID, tenant: UUID) -> AsyncThrowingStream<Job, any Error> {
    table.changes(of: AskedJob(tenant: tenant, id: id))
  }

  func cancel(_ cancellations: [JobCancellation]) async throws {
    try await producer.cancel(cancellations)
  }

  // MARK: Its service

  func run() async throws {
    try await cancelWhenGracefulShutdown {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await listen() }
        group.addTask { await ask() }
        group.addTask {
          for await event in connection.events() {
            if case .connected = event { table.askAgain() }
          }
        }
        group.addTask {
          // Ends with the service, as the others do: that is no error.
          while (try? await Task.sleep(for: Self.audit)) != nil { table.audit() }
        }
        defer { table.fail(JobDeskError("the service has ended")) }
        // None of them ends but with an error or the service.
        try await group.next()
        group.cancelAll()
      }
    }
  }

  private func listen() async throws {
    guard let consumer = try await subscribe() else { return }
    try await withThrowingDiscardingTaskGroup { group in
      for try await deliveries in consumer {
        for (pause, again) in take(deliveries) {
          group.addTask {
            // The service ends: that is no error.
            guard (try? await Task.sleep(for: pause)) != nil else { return }
            table.ask(again)
          }
        }
      }
    }
  }

  /// - Returns: `nil` when the service ends before the broker is there.
  private func subscribe() async throws -> Consumer? {
    while !Task.isCancelled {
      do throws(AMQPError) {
        return try await connection.consume(
          Subscription(queue: replies, prefetch: 0, noAck: true))
      } catch {
        switch error {
        case .timeout, .socket, .connect, .connectionClosed, .protocolViolation: break
        case .closed, .cancelled: return nil
        default: guard error.isInternal else { throw error }
        }
        logger.warning(
          "the queue of answers is not subscribed to yet", metadata: ["error": "\(error)"])
      }
      // Ends early with the service.
      try? await Task.sleep(for: Self.pause)
    }
    return nil
  }

  /// - Returns: what is to be asked again, and when.
  private func take(_ deliveries: [Delivery]) -> [Duration: WaitTable.Again] {
    var later: [Duration: WaitTable.Again] = [:]
    for delivery in deliveries {
      let question = Question(correlationID: delivery.message.properties.correlationID)
      do {
        let news = try JobNews.read(delivery.message)
        // One that has no room in an answer of its own gets none sooner if it is asked for at once.
        let rest: Duration =
          news.contains { if case .left = $0 { false } else { true } } ? .zero : Self.pause
        for item in news {
          switch item {
          case .job(let job): table.tell(job, isOfWatch: question?.watched == job.id)
          case .unknown(let id):
            guard let question else { continue }
            let job = AskedJob(tenant: question.tenant, id: id)
            if let pause = table.noteUnknown(job, limit: Self.unknownLimit) {
              later[pause, default: .init()].jobs.append(job)
            }
          case .left(let id):
            guard let question else { continue }
            later[rest, default: .init()].jobs.append(AskedJob(tenant: question.tenant, id: id))
          }
        }
      } catch {
        if let question, let id = question.watched {
          later[Self.pause, default: .init()].jobs.append(
            AskedJob(tenant: question.tenant, id: id))
        } else {
          later[Self.pause, default: .init()].isEverything = true
        }
        if let count = table.warnings(every: Self.warningPause) {
          logger.warning(
            "questions are not answered; they are asked again",
            metadata: ["error": "\(error)", "questions": "\(count)"])
        }
      }
    }
    return later
  }

  private func ask() async {
    for await _ in table.wakeUps {
      for (tenant, wishes) in table.takeWishes() {
        var questions = wishes.watches.map { JobRequest.watch($0, for: Self.watchTime) }
        questions += wishes.over.map { JobRequest.watch($0, for: .zero) }
        for start in stride(from: 0, to: wishes.ends.count, by: JobRequest.mostJobs) {
          questions.append(.tellEnd(Array(wishes.ends[start...].prefix(JobRequest.mostJobs))))
        }
        await ask(questions, tenant)
      }
    }
  }

  private func ask(_ questions: [JobRequest], _ tenant: UUID) async {
    var publications: [Publication] = []
    for question in questions {
      do {
        var message = try question.message(tenant: tenant, patience: patience)
        message.properties.replyTo = replies
        message.properties.correlationID = Question(question, tenant).correlationID
        publications.append(
          Publication(message, exchange: names.requests, routingKey: "", mandatory: true))
      } catch {
        logger.error("a question cannot be written", metadata: ["error": "\(error)"])
      }
    }
    // A service that ends asks no more.
    let verdicts = await connection.publishUnlessCancelled(publications, timeout: patience)
    guard let refused = verdicts.first(where: { $0 != .confirmed }) else { return }
    logger.notice(
      "questions were not delivered; they are asked again", metadata: ["verdict": "\(refused)"])
    // Ends early with the service.
    try? await Task.sleep(for: Self.pause)
    table.askAgain()
  }
}

/// What an answer of the server says by its correlation id of the question.
private struct Question {
  let tenant: UUID
  /// The job that was to be watched; `nil` where ends were asked for.
  let watched: JobID?

  init(_ request: JobRequest, _ tenant: UUID) {
    self.tenant = tenant
    if case .watch(let id, _) = request { watched = id } else { watched = nil }
  }

  /// `nil` for what is no answer to a question: the message of a job's end, say.
  init?(correlationID: String?) {
    let parts = correlationID?.split(separator: "/", omittingEmptySubsequences: false) ?? []
    guard parts.count == 2, let tenant = UUID(uuidString: String(parts[0])) else { return nil }
    self.tenant = tenant
    watched = JobID(String(parts[1]))
  }

  var correlationID: String { "\(tenant)/\(watched?.description ?? "")" }
}

/// The server could not be asked what becomes of jobs, or has not answered as it should.
public struct JobDeskError: Error, Hashable, CustomStringConvertible {
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}
