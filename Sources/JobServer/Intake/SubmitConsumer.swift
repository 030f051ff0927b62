import AMQP
import Foundation
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

/// Takes job messages, and cancellations, from the intake queue. What cannot be accepted goes into the dead-letter queue
/// with its reason; neither that, nor telling the worker of a canceled job, holds up what is behind.
///
/// Tickets come here as well, when the broker throws them out of their queue. They are forgotten, since the server issues
/// again what is lost; among the dead letters they would bury the others.
struct SubmitConsumer<Broker: MessageBroker>: Service {
  private typealias Submission = (delivery: Delivery, submission: JobSubmission)
  private typealias Taken = (delivery: Delivery, job: JobID)
  private typealias Cancellation = (delivery: Delivery, cancellation: JobCancellation)

  let intake: Intake
  let service: JobOperations
  let initializer: Initializer
  let broker: Broker
  let deadLetters: DeadLetterPublisher<Broker>
  let names: TransportNames
  let access: BrokerAccess
  let redriven: RedrivenMessages
  /// Of the params; as large as a request over HTTP may be.
  let maxBodyBytes: Int
  let clock: any ServerClock
  let log: ServerLog

  func run() async throws {
    try await untilGracefulShutdown {
      guard
        let consumer = try await broker.consume(
          Subscription(queue: names.submit, prefetch: 512), clock: clock, log)
      else { return }
      try await withThrowingDiscardingTaskGroup { group in
        for try await deliveries in consumer {
          let refused = await take(deliveries, from: consumer)
          guard !refused.isEmpty else { continue }
          log.count(\.refusedMessages, refused.count)
          // They are not acknowledged before they are kept, so that the prefetch bounds how many there are.
          group.addTask {
            await deadLetters.publish(refused, foundIn: names.submit, of: consumer)
          }
        }
      }
    }
  }

  /// - Returns: what cannot be accepted.
  private func take(
    _ deliveries: [Delivery], from consumer: Broker.Deliveries
  ) async -> [DeadLetter.Letter] {
    var submissions: [Submission] = []
    var cancellations: [Cancellation] = []
    var tickets: [DeliveryTag] = []
    var refused: [DeadLetter.Letter] = []
    let senders = await clock.untilDone { () throws(StoreError) in
      try await redriven.senders(of: deliveries.map(\.message))
    } failed: { error in
      tell(error)
    }
    guard let senders else { return [] }
    for delivery in deliveries {
      guard !WireCoding.isTicket(delivery.message) else {
        tickets.append(delivery.tag)
        continue
      }
      let size = delivery.message.body.count
      guard size <= maxBodyBytes else {
        refused.append(
          .init(
            delivery, reason: "body-too-large",
            explanation: "the body has \(size) bytes; \(maxBodyBytes) are allowed"))
        continue
      }
      do throws(JobMessageError) {
        if CancelMessage.isOne(delivery.message) {
          var cancellation = try CancelMessage.cancellation(delivery.message)
          cancellation.tenantID = try tenant(
            cancellation.tenantID, by: senders.user(of: delivery.message))
          cancellations.append((delivery, cancellation))
        } else {
          var submission = try JobMessage.submission(delivery.message)
          submission.tenantID = try tenant(
            submission.tenantID, by: senders.user(of: delivery.message))
          submissions.append((delivery, submission))
        }
      } catch {
        refused.append(
          .init(delivery, reason: error.reason.rawValue, explanation: error.description))
      }
    }
    if !tickets.isEmpty {
      log.burst(
        .debug, "tickets that were thrown out of their queue are forgotten",
        ["count": "\(tickets.count)"])
      await consumer.ack(tickets)
    }
    refused += await store(submissions, of: consumer)
    // After the jobs: a producer may cancel what it has just submitted.
    refused += await cancel(cancellations, of: consumer)
    return refused
  }

  private func tenant(
    _ named: UUID, by user: String?
  ) throws(JobMessageError) -> UUID {
    do {
      return try access.tenant(named, by: user)
    } catch {
      throw JobMessageError(error)
    }
  }

  /// Stores what can be stored, and acknowledges that; tries again for as long as the store fails.
  private func store(
    _ submissions: [Submission], of consumer: Broker.Deliveries
  ) async -> [DeadLetter.Letter] {
    var refused: [DeadLetter.Letter] = []
    var waiting = submissions
    _ = await clock.untilDone { () throws(StoreError) in
      guard !waiting.isEmpty else { return }
      var stored: [Taken] = []
      var unsettled: [Submission] = []
      var failure: StoreError?
      for (item, outcome) in zip(waiting, await intake.schedule(waiting.map(\.submission))) {
        switch outcome {
        case .success(let scheduled):
          stored.append((item.delivery, scheduled.job.id))
          if scheduled.job.status == .initializing { initializer.wake() }
        case .failure(.store(let error)) where error.isPassing:
          failure = error
          unsettled.append(item)
        case .failure(let error):
          refused.append(
            .init(
              item.delivery, reason: error.deadLetterReason, explanation: error.description,
              errors: error.violations))
        }
      }
      await acknowledge(stored, of: consumer)
      waiting = unsettled
      if let failure { throw failure }
    } failed: { error in
      tell(error)
    }
    return refused
  }

  /// What is canceled is in the store when the message is acknowledged; the worker is told after that.
  private func cancel(
    _ cancellations: [Cancellation], of consumer: Broker.Deliveries
  ) async -> [DeadLetter.Letter] {
    guard !cancellations.isEmpty else { return [] }
    let jobs = await clock.untilDone { () throws(StoreError) in
      try await service.cancel(cancellations.map(\.cancellation))
    } failed: { error in
      tell(error)
    }
    guard let jobs else { return [] }
    var done: [Taken] = []
    var refused: [DeadLetter.Letter] = []
    for (item, job) in zip(cancellations, jobs) {
      if let job {
        done.append((item.delivery, job.id))
      } else {
        refused.append(
          .init(
            item.delivery, reason: "unknown-job",
            explanation: JobOperationError.unknownJob(item.cancellation.job).description))
      }
    }
    await acknowledge(done, of: consumer)
    return refused
  }

  /// Of what was a dead letter, it is noted what it has become before it is acknowledged.
  private func acknowledge(_ taken: [Taken], of consumer: Broker.Deliveries) async {
    let acceptances = taken.compactMap { item in
      redriven.provenance(of: item.delivery.message).map {
        DeadLetterAcceptance($0, job: item.job)
      }
    }
    if !acceptances.isEmpty {
      let isNoted: Void? = await clock.untilDone { () throws(StoreError) in
        try await intake.store.noteAcceptances(acceptances, at: clock.now)
      } failed: { error in
        tell(error)
      }
      guard isNoted != nil else { return }
    }
    await consumer.ack(taken.map(\.delivery.tag))
  }

  private func tell(_ error: StoreError) {
    log.count(\.storeFailures)
    log.burst(
      .error, "the store fails; messages stay in the intake queue and are tried again",
      ["error": "\(error)"])
  }
}

extension ScheduleError {
  /// All that is wrong with the params, where they are what is wrong.
  var violations: [ParamsViolation] {
    if case .invalidParams(_, let error) = self { error.violations } else { [] }
  }

  /// The value of a dead letter's reason header.
  var deadLetterReason: String {
    switch self {
    case .unknownType: "unknown-type"
    case .reservedType: "forbidden"
    case .unknownWebhook: "unknown-webhook"
    case .tooManyWebhooks: "bad-header"
    case .invalidParams: "invalid-params"
    case .invalidContext: "bad-header"
    case .ownAddress: "bad-property"
    case .conflict: "conflict"
    case .unreadable: "unreadable"
    case .deleted: "deleted"
    case .exceeded: "quota-exceeded"
    case .refused: "refused"
    case .nobody, .noAnswer: "no-worker"
    case .store: "store"
    }
  }
}

extension StoreError {
  /// Whether the same may be taken another time.
  var isPassing: Bool {
    if case .unfit = self { false } else { true }
  }
}
