import AMQP
import Foundation
import JobTransport
import Jobs
import Logging
import ServiceLifecycle
import Synchronization

/// Applies what workers report: all that has gathered is one transaction, acknowledged after it.
///
/// What is not understood, or not taken by the store, is set aside report by report; everything beside it is applied.
struct ReportConsumer<Broker: MessageBroker>: Service {
  /// How many reports are applied at once, and about how many bytes they may have.
  private static var mostReports: Int { 1_000 }
  private static var mostBytes: Int { 8 << 20 }

  let authority: ServerAuthority
  let registrar: WorkerRegistrar
  let inbox: InboxMarks
  let kept: KeptAttempts
  let broker: Broker
  let deadLetters: DeadLetterPublisher<Broker>
  let names: TransportNames
  let access: BrokerAccess
  let redriven: RedrivenMessages
  let clock: any ServerClock
  let log: ServerLog

  func run() async throws {
    try await untilGracefulShutdown {
      guard
        let consumer = try await broker.consume(
          Subscription(queue: names.reports, prefetch: 512), clock: clock, log)
      else { return }
      try await withThrowingDiscardingTaskGroup { group in
        for try await deliveries in consumer {
          let letters = await take(deliveries, from: consumer)
          guard !letters.isEmpty else { continue }
          // They are not acknowledged before they are kept, so that the prefetch bounds how many there are.
          group.addTask {
            await deadLetters.publish(letters, foundIn: names.reports, of: consumer)
          }
        }
      }
    }
  }

  /// Applies what can be, and acknowledges what has been applied as a whole.
  ///
  /// - Returns: what is to be kept elsewhere.
  private func take(
    _ deliveries: [Delivery], from consumer: Broker.Deliveries
  ) async -> [DeadLetter.Letter] {
    var messages: [WorkerMessage] = []
    var whole: [DeliveryTag] = []
    var letters: [DeadLetter.Letter] = []
    let senders = await clock.untilDone { () throws(StoreError) in
      try await redriven.senders(of: deliveries.map(\.message))
    } failed: { error in
      tell(error)
    }
    guard let senders else { return [] }
    var acceptances: [DeadLetterAcceptance] = []
    for delivery in deliveries {
      do {
        let received = try WireCoding.received(delivery.message)
        // A mark is known by its id alone, which only this server has.
        if !received.isMark { try access.checkWorker(senders.user(of: delivery.message)) }
        if let message = received.understood { messages.append(message) }
        let parts = parts(received)
        if parts.isEmpty {
          whole.append(delivery.tag)
          if let provenance = redriven.provenance(of: delivery.message) {
            acceptances.append(DeadLetterAcceptance(provenance, job: nil))
          }
        } else {
          letters.append(.init(delivery, parts))
        }
      } catch let error as BrokerAccessError {
        log.count(\.badReports)
        letters.append(.init(delivery, reason: "forbidden", explanation: error.description))
      } catch {
        log.count(\.badReports)
        letters.append(.init(delivery, reason: "bad-report", explanation: "\(error)"))
      }
    }
    log.count(\.refusedMessages, letters.count)
    // What is not applied is not acknowledged: the queue is the durable inbox.
    let isApplied: Void? = await clock.untilDone { () throws(StoreError) in
      try await apply(messages)
      try await redriven.store.noteAcceptances(acceptances, at: clock.now)
    } failed: { error in
      tell(error)
    }
    guard isApplied != nil else { return [] }
    await consumer.ack(whole)
    return letters
  }

  private func tell(_ error: StoreError) {
    log.count(\.storeFailures)
    log.burst(
      .error, "reports cannot be stored; they stay in their queue and are tried again",
      ["error": "\(error)"])
  }

  private func parts(_ received: ReceivedWorkerMessage) -> [DeadLetter.Letter.Part] {
    var parts: [DeadLetter.Letter.Part] = []
    if let unknown = received.unknown {
      log.count(\.unknownReports)
      kept.add(received.unknownAttempts)
      parts.append(
        .init(
          unknown, reason: "unknown-report",
          explanation: "this server does not know what a newer worker reports here; it is applied"
            + " when a server that does is started",
          place: .unknownReports))
    }
    for report in received.malformed {
      log.count(\.badReports)
      parts.append(.init(report.message, reason: "bad-report", explanation: report.why))
    }
    return parts
  }

  private func apply(_ messages: [WorkerMessage]) async throws(StoreError) {
    var reports: [JobReport] = []
    var marks: [UUID] = []
    for message in messages {
      switch message {
      case .announcement(let announcement):
        // What it says of jobs is later than what was reported before it.
        try await apply(&reports)
        try await welcome(announcement)
      case .farewell(let worker):
        try await apply(&reports)
        try await registrar.farewell(worker)
      case .reports(let more): reports += more
      case .mark(let mark): marks.append(mark)
      }
    }
    try await apply(&reports)
    for mark in marks { inbox.reach(mark) }
  }

  private func apply(_ reports: inout [JobReport]) async throws(StoreError) {
    // Not all as one transaction: who claims and submits would wait for it.
    var rest = reports[...]
    while !rest.isEmpty {
      var bytes = 0
      let part = rest.prefix(Self.mostReports).prefix { report in
        defer { bytes += report.sizeBound }
        return bytes < Self.mostBytes
      }
      try await authority.apply(Array(part))
      rest = rest.dropFirst(part.count)
    }
    reports = []
  }

  /// One that the store does not take must not keep back what stands behind it.
  private func welcome(_ announcement: WorkerAnnouncement) async throws(StoreError) {
    do throws(StoreError) {
      try await registrar.welcome(announcement)
    } catch .unfit(let why) {
      log.count(\.badReports)
      log.burst(
        .error, "the store does not take what a worker announces",
        ["worker": "\(announcement.worker)", "error": "\(why)"])
    }
  }
}

/// Finds out that all reports which lie in the inbox have been applied: a mark is laid in behind them, and comes back to
/// the server in its turn. Before a job is taken from a worker that is gone, what that worker said last has to be known.
///
/// Whoever asks while a mark is under way shares the next one, so that a thousand jobs need no thousand marks.
final class InboxMarks: Sendable {
  private let waiting: Waiting
  private let marks: Batcher<Void, Bool, Never>

  init(
    connection: any MessageBroker, names: TransportNames, patience: Duration,
    clock: any ServerClock = SystemClock()
  ) {
    let waiting = Waiting()
    self.waiting = waiting
    marks = Batcher(limit: .max) { askers in
      let isRead = await waiting.lay(
        connection: connection, names: names, patience: patience, clock: clock)
      return .success(askers.map { _ in isRead })
    }
  }

  /// Returns `true` once everything that was in the inbox before this call has been applied, `false` when that could not be
  /// seen in time.
  func isReadUpToNow() async -> Bool {
    await marks.submit([()])[0]
  }

  /// Called when a mark has come back, after everything before it was applied.
  func reach(_ mark: UUID) {
    waiting.reach(mark)
  }
}

/// The marks that have not come back.
private final class Waiting: Sendable {
  private let marks = Mutex<[UUID: AsyncStream<Void>.Continuation]>([:])

  func reach(_ mark: UUID) {
    marks.withLock { $0[mark] }?.yield()
  }

  /// Lays a mark into the inbox.
  ///
  /// - Returns: whether it has come back in time.
  func lay(
    connection: any MessageBroker, names: TransportNames, patience: Duration,
    clock: any ServerClock
  ) async -> Bool {
    let mark = UUID()
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
    marks.withLock { $0[mark] = continuation }
    defer { marks.withLock { $0[mark] = nil } }
    guard let message = try? WireCoding.message(WorkerMessage.mark(mark)) else { return false }
    let verdict = await connection.publish(
      Publication(message, exchange: "", routingKey: names.reports, mandatory: true),
      timeout: patience)
    guard verdict == .confirmed else { return false }
    return await withTaskGroup { group in
      group.addTask {
        for await _ in stream { return true }
        return false
      }
      group.addTask {
        // Ends early only when the task is cancelled; either way the mark was not seen.
        try? await clock.sleep(for: patience)
        return false
      }
      let isRead = await group.next() ?? false
      group.cancelAll()
      return isRead
    }
  }
}
