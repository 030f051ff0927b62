import AMQP
import Foundation
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

/// Applies what workers report: all that has gathered is one transaction, acknowledged after it.
struct ReportDesk: Service {
  let authority: ServerAuthority
  let registrar: WorkerRegistrar
  let inbox: InboxMarks
  let connection: Connection
  let deadLetters: DeadLetterOffice
  let names: TransportNames
  let logger: Logger

  func run() async throws {
    try await untilGracefulShutdown {
      let consumer = try await connection.consume(Subscription(queue: names.reports, prefetch: 512))
      for try await deliveries in consumer {
        try await take(deliveries, from: consumer)
      }
    }
  }

  private func take(_ deliveries: [Delivery], from consumer: Consumer) async throws {
    var messages: [WorkerMessage] = []
    var applied: [DeliveryTag] = []
    var refused: [DeadLetterOffice.Letter] = []
    for delivery in deliveries {
      do {
        messages.append(try WireCoding.workerMessage(delivery.message))
        applied.append(delivery.tag)
      } catch {
        refused.append(.init(delivery, reason: "bad-report", explanation: error.description))
      }
    }
    // What is not applied is not acknowledged: the queue is the durable inbox.
    while true {
      do {
        try await apply(messages)
        break
      } catch {
        logger.error(
          "reports cannot be stored; they stay in their queue and are tried again",
          metadata: ["error": "\(error)"])
        try await Task.sleep(for: .seconds(1))
      }
    }
    await consumer.ack(applied)
    await deadLetters.bury(refused, foundIn: names.reports, of: consumer)
  }

  /// Applying some of it twice is harmless.
  private func apply(_ messages: [WorkerMessage]) async throws {
    var reports: [JobReport] = []
    var marks: [UUID] = []
    for message in messages {
      switch message {
      case .announcement(let announcement): try await registrar.welcome(announcement)
      case .farewell(let worker): registrar.farewell(worker)
      case .reports(let more): reports += more
      case .mark(let mark): marks.append(mark)
      }
    }
    if !reports.isEmpty { try await authority.report(reports) }
    for mark in marks { inbox.reach(mark) }
  }
}
