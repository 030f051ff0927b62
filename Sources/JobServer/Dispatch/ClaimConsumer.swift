import AMQP
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

extension ClaimRequest {
  /// Without the types that are the server's own.
  fileprivate var unreserved: ClaimRequest {
    guard types.contains(where: \.isReserved) else { return self }
    return ClaimRequest(
      worker: worker, epoch: epoch, claim: claim, isRepeated: isRepeated, queue: queue,
      count: count, types: types.filter { !$0.isReserved })
  }
}

/// Answers the claims that workers send through the broker: all that have gathered are one transaction.
struct ClaimConsumer<Broker: MessageBroker>: Service {
  let authority: ServerAuthority
  let consuming: Broker
  let publishing: Broker
  let names: TransportNames
  let access: BrokerAccess
  let log: ServerLog

  func run() async throws {
    try await untilGracefulShutdown {
      // Nothing to acknowledge: a claim that is lost is asked again.
      guard
        let consumer = try await consuming.consume(
          Subscription(queue: names.claims, prefetch: 0, noAck: true), clock: authority.clock, log)
      else { return }
      try await withThrowingDiscardingTaskGroup { group in
        for try await deliveries in consumer {
          let replies = await answer(deliveries)
          guard !replies.isEmpty else { continue }
          // The next claims do not wait for these answers to be sent.
          group.addTask { await send(replies) }
        }
      }
    }
  }

  private func answer(_ deliveries: [Delivery]) async -> [Publication] {
    var claims: [Question<ClaimRequest>] = []
    var locks: [Question<LockRequest>] = []
    for delivery in deliveries {
      do {
        try access.checkWorker(delivery.message.properties.userID)
        if let requests = try WireCoding.locks(delivery.message) {
          locks.append((delivery, requests))
        } else {
          // What the server does itself is given to nobody else.
          claims.append((delivery, try WireCoding.claims(delivery.message).map(\.unreserved)))
        }
      } catch {
        log.count(\.badClaims)
        log.burst(.warning, "a message in the claims queue is not answered", ["error": "\(error)"])
      }
    }
    return await answer(claims, by: authority.claim, WireCoding.message)
      + answer(locks, by: authority.lock, WireCoding.message)
  }

  private typealias Question<Request> = (delivery: Delivery, requests: [Request])

  private func answer<Request, Answer>(
    _ questions: [Question<Request>],
    by decide: ([Request]) async throws(AuthorityError) -> [Answer],
    _ message: ([Answer]) throws(WireError) -> Message
  ) async -> [Publication] {
    guard !questions.isEmpty else { return [] }
    let answers: [Answer]
    do {
      answers = try await decide(questions.flatMap(\.requests))
    } catch {
      // The askers run out of patience and ask again.
      log.count(\.storeFailures)
      log.burst(.error, "claims could not be decided", ["error": "\(error)"])
      return []
    }
    var rest = answers[...]
    var replies: [Publication] = []
    for question in questions {
      let own = Array(rest.prefix(question.requests.count))
      rest = rest.dropFirst(question.requests.count)
      if let reply = reply(own, to: question.delivery, message) { replies.append(reply) }
    }
    return replies
  }

  private func send(_ replies: [Publication]) async {
    let verdicts = await publishing.publish(replies, timeout: .seconds(10))
    for verdict in verdicts where verdict != .confirmed {
      log.burst(.notice, "an answer to a claim was not delivered", ["verdict": "\(verdict)"])
    }
  }

  private func reply<Answer>(
    _ answers: [Answer], to delivery: Delivery,
    _ write: ([Answer]) throws(WireError) -> Message
  ) -> Publication? {
    // The server would write where the asker may not.
    guard let address = delivery.message.properties.replyTo, !names.isOwn(address) else {
      log.count(\.badClaims)
      log.burst(.warning, "a claim names no reply_to that can be answered")
      return nil
    }
    do {
      var message = try write(answers)
      message.properties.correlationID = delivery.message.properties.correlationID
      return Publication(message, exchange: "", routingKey: address)
    } catch {
      log.burst(.error, "an answer cannot be written", ["error": "\(error)"])
      return nil
    }
  }
}
