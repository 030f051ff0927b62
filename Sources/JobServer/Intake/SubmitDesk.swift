import AMQP
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

/// Takes job messages, and cancellations, from the intake queue. What cannot be accepted is laid into the dead-letter queue with its reason,
/// so that nothing behind it is held up.
struct SubmitDesk: Service {
  private typealias Wish = (delivery: Delivery, submission: JobSubmission)

  let intake: Intake
  let initializer: Initializer
  let cancellations: CancelIntake
  let connection: Connection
  let deadLetters: DeadLetterOffice
  let names: TransportNames
  /// Of the params; as large as a request over HTTP may be.
  let maxBodyBytes: Int
  let logger: Logger

  func run() async throws {
    try await untilGracefulShutdown {
      let consumer = try await connection.consume(Subscription(queue: names.submit, prefetch: 512))
      for try await deliveries in consumer {
        try await take(deliveries, from: consumer)
      }
    }
  }

  private func take(_ deliveries: [Delivery], from consumer: Consumer) async throws {
    var wishes: [Wish] = []
    var cancellations: [CancelIntake.Wish] = []
    var refused: [DeadLetterOffice.Letter] = []
    for delivery in deliveries {
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
          cancellations.append((delivery, try CancelMessage.cancellation(delivery.message)))
        } else {
          wishes.append((delivery, try JobMessage.submission(delivery.message)))
        }
      } catch {
        refused.append(
          .init(delivery, reason: error.reason.rawValue, explanation: error.description))
      }
    }
    while !wishes.isEmpty {
      let (unsettled, letters) = await settle(wishes, of: consumer)
      refused += letters
      wishes = unsettled
      if !wishes.isEmpty { try await pause(for: wishes.count) }
    }
    // After the jobs: a producer may cancel what it has just submitted.
    while !cancellations.isEmpty {
      let (done, unsettled, letters) = await self.cancellations.carryOut(cancellations)
      await consumer.ack(done)
      refused += letters
      cancellations = unsettled
      if !cancellations.isEmpty { try await pause(for: cancellations.count) }
    }
    await deadLetters.bury(refused, foundIn: names.submit, of: consumer)
  }

  private func pause(for count: Int) async throws {
    logger.error(
      "the store fails; messages stay in the intake queue and are tried again",
      metadata: ["count": "\(count)"])
    try await Task.sleep(for: .seconds(1))
  }

  /// Stores what can be stored, and acknowledges that.
  private func settle(
    _ wishes: [Wish], of consumer: Consumer
  ) async -> (unsettled: [Wish], refused: [DeadLetterOffice.Letter]) {
    var stored: [DeliveryTag] = []
    var unsettled: [Wish] = []
    var refused: [DeadLetterOffice.Letter] = []
    for (wish, outcome) in zip(wishes, await intake.schedule(wishes.map(\.submission))) {
      switch outcome {
      case .success(let scheduled):
        stored.append(wish.delivery.tag)
        if scheduled.job.status == .initializing {
          initializer.share(scheduled.job.id)
          initializer.wake()
        }
      case .failure(.store):
        unsettled.append(wish)
      case .failure(let error):
        refused.append(
          .init(wish.delivery, reason: error.deadLetterReason, explanation: error.description))
      }
    }
    await consumer.ack(stored)
    return (unsettled, refused)
  }
}
