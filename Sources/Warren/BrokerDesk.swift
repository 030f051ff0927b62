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
  /// How often everything is asked again, whatever was told: for an answer that nobody can have lost.
  private static let audit = Duration.seconds(60)
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
      } catch let error as AMQPError {
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
          Publication(message, exchange: "", routingKey: names.requests, mandatory: true),
          timeout: patience))
    } catch let error as LookupError {
      throw JobDeskError(error.description)
    }
  }

  func end(of id: JobID, tenant: UUID) async throws -> Job {
    let token = table.newToken()
    defer { table.forget(token) }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        table.wait(for: id, tenant, token, continuation)
      }
    } onCancel: {
      table.giveUp(id, token)
    }
  }

  func changes(of id: JobID, tenant: UUID) -> AsyncThrowingStream<Job, any Error> {
    let token = table.newToken()
    return AsyncThrowingStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
      continuation.onTermination = { [table] _ in table.unwatch(id, token) }
      table.watch(id, tenant, token, continuation)
    }
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
          while (try? await Task.sleep(for: Self.audit)) != nil { table.askAgain() }
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
        for (pause, ids) in take(deliveries) {
          group.addTask {
            try await Task.sleep(for: pause)
            for id in ids { table.askAgain(id) }
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
  private func take(_ deliveries: [Delivery]) -> [Duration: [JobID]] {
    var again: [Duration: [JobID]] = [:]
    for delivery in deliveries {
      do {
        for news in try JobNews.read(delivery.message) {
          switch news {
          case .job(let job): table.tell(job)
          case .unknown(let id):
            if let pause = table.noteUnknown(id, limit: Self.unknownLimit) {
              again[pause, default: []].append(id)
            }
          // There was no room for it in the answer.
          case .left(let id): again[.zero, default: []].append(id)
          }
        }
      } catch {
        let asked = delivery.message.properties.correlationID
        logger.warning(
          "a question is not answered; it is asked again",
          metadata: ["question": "\(asked ?? "")", "error": "\(error)"])
        // Of a watch it names the job; ends are asked for all together.
        again[Self.pause, default: []] += asked.flatMap { JobID($0) }.map { [$0] } ?? table.waiting
      }
    }
    return again
  }

  private func ask() async {
    for await _ in table.wakeUps {
      for (tenant, wishes) in table.takeWishes() {
        var questions = wishes.watches.map { JobRequest.watch($0, for: Self.watchTime) }
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
        if case .watch(let id, _) = question { message.properties.correlationID = id.description }
        publications.append(
          Publication(message, exchange: "", routingKey: names.requests, mandatory: true))
      } catch {
        logger.error("a question cannot be written", metadata: ["error": "\(error)"])
      }
    }
    let verdicts = await connection.publish(publications, timeout: patience)
    guard let refused = verdicts.first(where: { $0 != .confirmed }) else { return }
    logger.notice(
      "questions were not delivered; they are asked again", metadata: ["verdict": "\(refused)"])
    // Ends early with the service.
    try? await Task.sleep(for: Self.pause)
    table.askAgain()
  }
}

/// Who waits for which job.
final class WaitTable: Sendable {
  /// What is to be asked for one tenant.
  struct Wishes {
    var ends: [JobID] = []
    var watches: [JobID] = []
  }

  fileprivate struct Entry {
    let tenant: UUID
    var waiters: [UInt64: CheckedContinuation<Job, any Error>] = [:]
    var watchers: [UInt64: AsyncThrowingStream<Job, any Error>.Continuation] = [:]
    var isAsked = false
    var unknownSince: ContinuousClock.Instant?
    var isEmpty: Bool { waiters.isEmpty && watchers.isEmpty }
  }

  private struct State {
    var entries: [JobID: Entry] = [:]
    var nextToken: UInt64 = 0
    /// Of waits that were given up before they began.
    var givenUp: Set<UInt64> = []
    /// Why nobody is told any more.
    var end: (any Error)?
  }

  private let state = Mutex(State())
  /// There is something to be asked.
  let wakeUps: AsyncStream<Void>
  private let wakeUp: AsyncStream<Void>.Continuation

  init() {
    (wakeUps, wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  func newToken() -> UInt64 {
    state.withLock { state in
      state.nextToken += 1
      return state.nextToken
    }
  }

  func wait(
    for id: JobID, _ tenant: UUID, _ token: UInt64,
    _ continuation: CheckedContinuation<Job, any Error>
  ) {
    let refusal: (any Error)? = state.withLock { state in
      if let end = state.end { return end }
      if state.givenUp.remove(token) != nil { return CancellationError() }
      var entry = state.entries[id] ?? Entry(tenant: tenant)
      // Somebody may wait already, or watch; that it ends is asked for whoever comes first.
      if entry.waiters.isEmpty { entry.isAsked = false }
      entry.waiters[token] = continuation
      state.entries[id] = entry
      return nil
    }
    if let refusal { continuation.resume(throwing: refusal) } else { wakeUp.yield() }
  }

  func giveUp(_ id: JobID, _ token: UInt64) {
    let continuation = state.withLock { state in
      guard let continuation = state.entries[id]?.waiters.removeValue(forKey: token) else {
        state.givenUp.insert(token)
        return nil as CheckedContinuation<Job, any Error>?
      }
      if state.entries[id]?.isEmpty == true { state.entries[id] = nil }
      return continuation
    }
    continuation?.resume(throwing: CancellationError())
  }

  func watch(
    _ id: JobID, _ tenant: UUID, _ token: UInt64,
    _ continuation: AsyncThrowingStream<Job, any Error>.Continuation
  ) {
    let end: (any Error)? = state.withLock { state in
      guard state.end == nil else { return state.end }
      var entry = state.entries[id] ?? Entry(tenant: tenant)
      entry.isAsked = false
      entry.watchers[token] = continuation
      state.entries[id] = entry
      return nil
    }
    if let end { continuation.finish(throwing: end) } else { wakeUp.yield() }
  }

  func unwatch(_ id: JobID, _ token: UInt64) {
    state.withLock { state in
      state.entries[id]?.watchers[token] = nil
      if state.entries[id]?.isEmpty == true { state.entries[id] = nil }
    }
  }

  /// Everything that is waited for is to be asked once more.
  func askAgain() {
    let isAny = state.withLock { state in
      for id in state.entries.keys { state.entries[id]?.isAsked = false }
      return !state.entries.isEmpty
    }
    if isAny { wakeUp.yield() }
  }

  /// What is to be asked, by tenant; it counts as asked from now on.
  func takeWishes() -> [UUID: Wishes] {
    state.withLock { state in
      var wishes: [UUID: Wishes] = [:]
      for (id, entry) in state.entries where !entry.isAsked {
        if !entry.waiters.isEmpty { wishes[entry.tenant, default: Wishes()].ends.append(id) }
        if !entry.watchers.isEmpty { wishes[entry.tenant, default: Wishes()].watches.append(id) }
        state.entries[id]?.isAsked = true
      }
      return wishes
    }
  }

  /// A job, as the server says it is now.
  func tell(_ job: Job) {
    let (waiters, watchers) = state.withLock { state in
      guard var entry = state.entries[job.id] else {
        return ([], [])
          as (
            [CheckedContinuation<Job, any Error>],
            [AsyncThrowingStream<Job, any Error>.Continuation]
          )
      }
      entry.unknownSince = nil
      let watchers = Array(entry.watchers.values)
      var waiters: [CheckedContinuation<Job, any Error>] = []
      if job.status.isFinal {
        waiters = Array(entry.waiters.values)
        entry.waiters = [:]
      }
      if job.status.isAtRest { entry.watchers = [:] }
      state.entries[job.id] = entry.isEmpty ? nil : entry
      return (waiters, watchers)
    }
    for waiter in waiters { waiter.resume(returning: job) }
    for watcher in watchers {
      watcher.yield(job)
      if job.status.isAtRest { watcher.finish() }
    }
  }

  /// The server does not know a job. It may not have read it yet.
  ///
  /// - Parameter limit: for how long it may be unknown.
  /// - Returns: after how long it is to be asked again: the longer it is unknown, the more rarely. `nil` when nobody waits any more.
  func noteUnknown(_ id: JobID, limit: Duration) -> Duration? {
    let (pause, lost) = state.withLock { state -> (Duration?, Entry?) in
      guard let entry = state.entries[id] else { return (nil, nil) }
      let since = entry.unknownSince ?? .now
      let age = since.duration(to: .now)
      guard age < limit else {
        state.entries[id] = nil
        return (nil, entry)
      }
      state.entries[id]?.unknownSince = since
      return (Self.pause(unknownFor: age), nil)
    }
    lost?.fail(UnknownJob(id: id))
    return pause
  }

  /// How soon a job that is unknown for so long is asked for again.
  static func pause(unknownFor age: Duration) -> Duration {
    max(.milliseconds(20), .milliseconds((age / 4).milliseconds))
  }

  /// All jobs that somebody waits for.
  var waiting: [JobID] {
    state.withLock { state in state.entries.filter { !$0.value.waiters.isEmpty }.map(\.key) }
  }

  /// - Throws: why nobody is told any more.
  func checkIsOpen() throws {
    if let end = state.withLock(\.end) { throw end }
  }

  /// A job that was unknown is to be asked again.
  func askAgain(_ id: JobID) {
    let isThere = state.withLock { state in
      state.entries[id]?.isAsked = false
      return state.entries[id] != nil
    }
    if isThere { wakeUp.yield() }
  }

  /// Nobody will be told any more, whoever asks later either.
  func fail(_ error: any Error) {
    let entries = state.withLock { state in
      state.end = error
      defer { state.entries = [:] }
      return state.entries.values
    }
    for entry in entries { entry.fail(error) }
  }

  /// A wait is over; nothing of it is kept.
  func forget(_ token: UInt64) {
    state.withLock { _ = $0.givenUp.remove(token) }
  }
}

extension WaitTable.Entry {
  fileprivate func fail(_ error: any Error) {
    for waiter in waiters.values { waiter.resume(throwing: error) }
    for watcher in watchers.values { watcher.finish(throwing: error) }
  }
}

/// The server could not be asked what becomes of jobs, or has not answered as it should.
public struct JobDeskError: Error, Hashable, CustomStringConvertible {
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}
