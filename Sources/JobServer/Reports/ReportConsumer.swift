import AMQP
import Foundation
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

/// Applies what workers report: all that has gathered is one transaction, acknowledged after it.
///
/// What is not understood, or not taken by the store, is set aside report by report; everything beside it is applied.
struct ReportConsumer<Broker: MessageBroker>: Service {
  let authority: ServerAuthority
  let registrar: WorkerRegistrar
  let inbox: InboxMarks
  let kept: KeptAttempts
  let broker: Broker
  let deadLetters: DeadLetterPublisher<Broker>
  let names: TransportNames
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
    for delivery in deliveries {
      do {
        let received = try WireCoding.received(delivery.message)
        if let message = received.understood { messages.append(message) }
        let parts = parts(received)
        if parts.isEmpty {
          whole.append(delivery.tag)
        } else {
          letters.append(.init(delivery, parts))
        }
      } catch {
        log.count(\.badReports)
        letters.append(.init(delivery, reason: "bad-report", explanation: error.description))
      }
    }
    log.count(\.refusedMessages, letters.count)
    // What is not applied is not acknowledged: the queue is the durable inbox.
    let isApplied: Void? = await clock.untilDone { () throws(StoreError) in
      try await apply(messages)
    } failed: { error in
      log.count(\.storeFailures)
      log.burst(
        .error, "reports cannot be stored; they stay in their queue and are tried again",
        ["error": "\(error)"])
    }
    guard isApplied != nil else { return [] }
    await consumer.ack(whole)
    return letters
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
    guard !reports.isEmpty else { return }
    try await authority.apply(reports)
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
