import AMQP
import Foundation
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

/// Takes dead letters out of their queue into the store: stored first, then acknowledged. So the queue fills only while the server is
/// away.
struct DeadLetterConsumer<Broker: MessageBroker>: Service {
  /// About how many bytes go in one transaction.
  private static var mostBytes: Int { 8 << 20 }

  let store: any DeadLetterStore
  let reader: DeadLetterReader
  let broker: Broker
  let names: TransportNames
  let clock: any ServerClock
  let log: ServerLog

  func run() async throws {
    try await untilGracefulShutdown {
      guard
        // Each may be large.
        let consumer = try await broker.consume(
          Subscription(queue: names.dead, prefetch: 64), clock: clock, log)
      else { return }
      for try await deliveries in consumer { await take(deliveries, from: consumer) }
    }
  }

  private func take(_ deliveries: [Delivery], from consumer: Broker.Deliveries) async {
    var rest = deliveries[...]
    while !rest.isEmpty {
      var bytes = 0
      let part = rest.prefix { delivery in
        defer { bytes += delivery.message.body.count }
        return bytes < Self.mostBytes
      }
      rest = rest.dropFirst(part.count)
      await keep(Array(part), from: consumer)
    }
  }

  private func keep(_ deliveries: [Delivery], from consumer: Broker.Deliveries) async {
    let now = clock.now
    let arrivals = deliveries.map { reader.arrival($0, at: now) }
    let kept = await clock.untilDone { () throws(StoreError) in
      try await store.keep(arrivals, at: now)
    } failed: { error in
      log.count(\.storeFailures)
      log.burst(
        .error, "dead letters cannot be stored; they stay in their queue and are tried again",
        ["error": "\(error)"])
    }
    guard let kept else { return }
    var taken: [DeliveryTag] = []
    for (delivery, keeping) in zip(deliveries, kept) {
      if case .unfit(let why) = keeping {
        // Given back, it would come again at once and for ever: it is left as it is, for people to see in the queue.
        log.count(\.storeFailures)
        log.burst(
          .error, "the store does not take a dead letter; it stays in its queue",
          ["error": "\(why)"]
        )
      } else {
        taken.append(delivery.tag)
      }
    }
    log.count(\.deadLetters, kept.count { $0 == .kept })
    await consumer.ack(taken)
  }
}

/// Reads what a dead letter says of itself, and of the message that it was.
struct DeadLetterReader: Sendable {
  let catalog: Catalog
  let names: TransportNames
  let access: BrokerAccess
  let redriven: RedrivenMessages

  func arrival(_ delivery: Delivery, at now: Timestamp) -> DeadLetterArrival {
    let letter = delivery.message
    let headers = letter.properties.headers
    // What the broker throws out says so; whatever else it carries then is its producer's word.
    let deaths = DeadLetter.deaths(of: letter)
    let isOurs = deaths == nil && headers[DeadLetter.reason] != nil
    // Whoever may publish letters could name anybody: the server alone is believed.
    let isBelieved = redriven.believes(letter.properties.userID)
    let user =
      isOurs && isBelieved
      ? headers[DeadLetter.user]?.stringValue : letter.properties.userID
    let foundIn = isOurs ? text(headers[DeadLetter.foundIn], 255) : deaths?.first?.queue
    let message = DeadLetter.restored(letter)
    let isLost = isOurs && headers[DeadLetter.lostHeaders]?.boolValue == true
    let content = LetterCoding.content(of: message, isLost: isLost)
    let type = DeadLetter.type(of: message)
    let publishedTo = DeadLetter.publishedTo(letter)
    let id = isOurs ? text(headers[DeadLetter.letter], 36).flatMap { UUID(uuidString: $0) } : nil
    let (reason, explanation) = why(letter, deaths, isOurs)
    let provenance = redriven.believes(user) ? DeadLetter.provenance(of: letter) : nil
    let record = DeadLetterRecord(
      id: id ?? .version7(at: now), tenantID: tenant(of: message, user),
      kind: DeadLetter.kind(of: message, isReport: foundIn == names.reports),
      reason: reason, explanation: explanation,
      errors: isOurs ? errors(headers[DeadLetter.errors]) : [], type: type,
      queue: queue(of: type, in: foundIn), foundIn: foundIn,
      exchange: publishedTo?.exchange.shortened(to: 255),
      routingKey: publishedTo?.routingKey.shortened(to: 255),
      // Of what was redriven and is not known any more, nobody knows who sent it.
      user: access.users != nil && provenance != nil ? nil : user, deaths: deaths ?? [],
      size: message.body.count, arrivedAt: now)
    return DeadLetterArrival(
      StoredDeadLetter(record: record, original: content),
      fingerprint: .version5(
        of: content.properties.utf8 + [0] + content.body, in: IdempotencyKey.namespace),
      // Of what is ours, the id tells whether it is here already.
      mayBeRepeated: isOurs
        ? headers[DeadLetter.repeated]?.boolValue == true : delivery.redelivered,
      provenance: provenance)
  }

  private func why(
    _ letter: Message, _ deaths: [DeadLetterDeath]?, _ isOurs: Bool
  ) -> (reason: String, explanation: String) {
    let headers = letter.properties.headers
    if isOurs {
      return (
        text(headers[DeadLetter.reason], 100) ?? "unknown",
        text(headers[DeadLetter.explanation], 8 << 10) ?? ""
      )
    }
    guard let deaths else {
      return ("unknown", "the message does not say why it is here; somebody has published it here")
    }
    guard let death = deaths.first else {
      return ("unknown", "the broker threw it out, and does not say why")
    }
    let why =
      switch death.reason {
      case "expired": "its time to live was over before the server had taken it"
      case "maxlen": "the queue was at its limit"
      case "rejected": "whoever consumed it did not want it"
      case "delivery_limit": "it was delivered as often as the queue allows, and not acknowledged"
      default: "it says no more"
      }
    return (death.reason, "the broker threw it out of \(death.queue): \(why)")
  }

  private func text(_ field: FieldValue?, _ bytes: Int) -> String? {
    field?.stringValue?.shortened(to: bytes)
  }

  private func errors(_ field: FieldValue?) -> [ParamsViolation] {
    guard let text = field?.stringValue, let value = try? JSONValue(parsing: text.utf8) else {
      return []
    }
    return (try? value.decode(as: [ParamsViolation].self)) ?? []
  }

  private func tenant(of message: Message, _ user: String?) -> UUID {
    let named = DeadLetter.tenant(of: message)
    guard let users = access.users else { return named }
    if let tenant = try? access.tenant(named, by: user) { return tenant }
    // Nobody is to be shown what somebody else says in their name.
    guard let user, case .only(let tenants) = users[user]?.tenants, let only = tenants.first,
      tenants.count == 1
    else { return .zero }
    return only
  }

  private func queue(of type: String?, in found: String?) -> String? {
    if let type = type.flatMap({ try? JobTypeID($0) }), let known = catalog.type(type) {
      return known.queue.rawValue
    }
    return catalog.queues.first { names.queue($0.name) == found }?.name.rawValue
  }
}
