import AMQP
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

/// Answers the claims that workers send through the broker: all that have gathered are one transaction.
struct ClaimDesk: Service {
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
    var claims: [Question<ClaimRequest>] = []
    var locks: [Question<LockRequest>] = []
    for delivery in deliveries {
      do {
        if let requests = try WireCoding.locks(delivery.message) {
          locks.append((delivery, requests))
        } else {
          claims.append((delivery, try WireCoding.claims(delivery.message)))
        }
      } catch {
        logger.warning(
          "a message in the claims queue is no claim", metadata: ["error": "\(error)"])
      }
    }
    await answer(claims, by: authority.claim, WireCoding.message)
    await answer(locks, by: authority.lock, WireCoding.message)
  }

  private typealias Question<Request> = (delivery: Delivery, requests: [Request])

  private func answer<Request, Answer>(
    _ questions: [Question<Request>],
    by decide: ([Request]) async throws(AuthorityError) -> [Answer],
    _ message: ([Answer]) throws(WireError) -> Message
  ) async {
    guard !questions.isEmpty else { return }
    let answers: [Answer]
    do {
      answers = try await decide(questions.flatMap(\.requests))
    } catch {
      // The askers run out of patience and ask again.
      logger.error("claims could not be decided", metadata: ["error": "\(error)"])
      return
    }
    var rest = answers[...]
    var replies: [Publication] = []
    for question in questions {
      let own = Array(rest.prefix(question.requests.count))
      rest = rest.dropFirst(question.requests.count)
      if let reply = reply(own, to: question.delivery, message) { replies.append(reply) }
    }
    let verdicts = await publishing.publish(replies, timeout: .seconds(10))
    for verdict in verdicts where verdict != .confirmed {
      logger.notice("an answer to a claim was not delivered", metadata: ["verdict": "\(verdict)"])
    }
  }

  private func reply<Answer>(
    _ answers: [Answer], to delivery: Delivery,
    _ write: ([Answer]) throws(WireError) -> Message
  ) -> Publication? {
    guard let address = delivery.message.properties.replyTo else {
      logger.warning("a claim names no reply_to, so that nobody can be answered")
      return nil
    }
    do {
      var message = try write(answers)
      message.properties.correlationID = delivery.message.properties.correlationID
      return Publication(message, exchange: "", routingKey: address)
    } catch {
      logger.error("an answer cannot be written", metadata: ["error": "\(error)"])
      return nil
    }
  }
}
