import AMQP
import Foundation
import JobStore
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

  private typealias Item = (delivery: Delivery, message: WorkerMessage)

  private func take(_ deliveries: [Delivery], from consumer: Consumer) async throws {
    var waiting: [Item] = []
    var refused: [DeadLetterOffice.Letter] = []
    for delivery in deliveries {
      do {
        waiting.append((delivery, try WireCoding.workerMessage(delivery.message)))
      } catch {
        refused.append(.init(delivery, reason: "bad-report", explanation: error.description))
      }
    }
    let applied = waiting
    // What is not applied is not acknowledged: the queue is the durable inbox.
    while !waiting.isEmpty {
      do {
        try await apply(waiting.map(\.message))
        waiting = []
      } catch StoreError.unfit {
        refused += await applyOneByOne(&waiting)
      } catch {
        logger.error(
          "reports cannot be stored; they stay in their queue and are tried again",
          metadata: ["error": "\(error)"])
        try await Task.sleep(for: .seconds(1))
      }
    }
    let buried = Set(refused.map(\.delivery.tag))
    await consumer.ack(applied.map(\.delivery.tag).filter { !buried.contains($0) })
    await deadLetters.bury(refused, foundIn: names.reports, of: consumer)
  }

  /// One that the store never takes is not to hold up the others.
  ///
  /// - Parameter waiting: those that are left, in their order, when the store fails in another way.
  /// - Returns: the ones at fault.
  private func applyOneByOne(_ waiting: inout [Item]) async -> [DeadLetterOffice.Letter] {
    var refused: [DeadLetterOffice.Letter] = []
    while let item = waiting.first {
      do {
        try await apply([item.message])
      } catch StoreError.unfit(let why) {
        refused.append(.init(item.delivery, reason: "bad-report", explanation: why))
      } catch {
        break
      }
      waiting.removeFirst()
    }
    return refused
  }

  /// Applying some of it twice is harmless.
  private func apply(_ messages: [WorkerMessage]) async throws {
    var reports: [JobReport] = []
    var marks: [UUID] = []
    for message in messages {
      switch message {
      case .announcement(let announcement):
        // What it says of jobs is later than what was reported before it.
        try await apply(&reports)
        try await registrar.welcome(announcement)
      case .farewell(let worker): registrar.farewell(worker)
      case .reports(let more): reports += more
      case .mark(let mark): marks.append(mark)
      }
    }
    try await apply(&reports)
    for mark in marks { inbox.reach(mark) }
  }

  private func apply(_ reports: inout [JobReport]) async throws {
    guard !reports.isEmpty else { return }
    try await authority.apply(reports)
    reports = []
  }
}
