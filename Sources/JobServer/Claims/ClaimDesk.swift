import AMQP
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

/// Answers the claims that workers send through the broker: all that have gathered are one transaction.
struct ClaimDesk: Service {
  private typealias Question = (delivery: Delivery, claims: [ClaimRequest])

  let authority: ServerAuthority
  let consuming: Connection
  let publishing: Connection
  let names: TransportNames
  let logger: Logger

  func run() async throws {
    try await untilGracefulShutdown {
      // Nothing to acknowledge: a claim that is lost is asked again.
      let consumer = try await consuming.consume(
        Subscription(queue: names.claims, prefetch: 0, noAck: true))
      try await withThrowingDiscardingTaskGroup { group in
        for try await deliveries in consumer {
          // The next claims do not wait for holders of contested jobs to answer, nor for these answers to be sent.
          group.addTask { await answer(deliveries) }
        }
      }
    }
  }

  private func answer(_ deliveries: [Delivery]) async {
    let questions = deliveries.compactMap(question)
    let answers: [ClaimAnswer]
    do {
      answers = try await authority.claim(questions.flatMap(\.claims))
    } catch {
      // The askers run out of patience and ask again.
      logger.error("claims could not be decided", metadata: ["error": "\(error)"])
      return
    }
    var rest = answers[...]
    var replies: [Publication] = []
    for question in questions {
      let own = Array(rest.prefix(question.claims.count))
      rest = rest.dropFirst(question.claims.count)
      if let reply = reply(own, to: question.delivery) { replies.append(reply) }
    }
    let verdicts = await publishing.publish(replies, timeout: .seconds(10))
    for verdict in verdicts where verdict != .confirmed {
      logger.notice("an answer to a claim was not delivered", metadata: ["verdict": "\(verdict)"])
    }
  }

  private func question(_ delivery: Delivery) -> Question? {
    do {
      return (delivery, try WireCoding.claims(delivery.message))
    } catch {
      logger.warning("a message in the claims queue is no claim", metadata: ["error": "\(error)"])
      return nil
    }
  }

  private func reply(_ answers: [ClaimAnswer], to delivery: Delivery) -> Publication? {
    guard let address = delivery.message.properties.replyTo else {
      logger.warning("a claim names no reply_to, so that nobody can be answered")
      return nil
    }
    do {
      var message = try WireCoding.message(answers)
      message.properties.correlationID = delivery.message.properties.correlationID
      return Publication(message, exchange: "", routingKey: address)
    } catch {
      logger.error("an answer cannot be written", metadata: ["error": "\(error)"])
      return nil
    }
  }
}
