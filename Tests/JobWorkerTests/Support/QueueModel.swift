import AMQP

/// A work queue with its consumers, as the broker keeps them: a pure value. A message is a ticket, or not.
struct QueueModel: Sendable {
  private struct Consumer {
    let prefetch: Int
    var isCancelled = false
    var generation: UInt64
    var lastTag: UInt64 = 0
    /// Whether each is a ticket.
    var unacked: [UInt64: Bool] = [:]
  }

  /// Whether each is a ticket, in the queue's order.
  private var ready: [Bool] = []
  private var consumers: [Int: Consumer] = [:]
  private var generation: UInt64 = 0
  /// Settlements of what was not there to be settled.
  private(set) var faults = 0

  var readyCount: Int { ready.count }

  var unackedCount: Int { consumers.values.reduce(0) { $0 + $1.unacked.count } }

  var tickets: Int {
    ready.count(where: \.self)
      + consumers.values.reduce(0) { $0 + $1.unacked.values.count(where: \.self) }
  }

  /// How much the broker may deliver, to all who listen.
  var prefetch: Int {
    consumers.values.reduce(0) { $0 + ($1.isCancelled ? 0 : $1.prefetch) }
  }

  /// Those who listen.
  var listeners: [Int] { consumers.filter { !$0.value.isCancelled }.keys.sorted() }

  mutating func publish(_ count: Int = 1, tickets: Bool = true) {
    ready += Array(repeating: tickets, count: count)
  }

  mutating func subscribe(_ consumer: Int, prefetch: Int) {
    generation += 1
    consumers[consumer] = Consumer(prefetch: prefetch, generation: generation)
  }

  mutating func cancel(_ consumer: Int) {
    consumers[consumer]?.isCancelled = true
  }

  /// Delivers as much as there is, and as the prefetch and `limit` allow.
  mutating func deliver(
    to number: Int, atMost limit: Int = .max
  ) -> (tickets: [DeliveryTag], others: [DeliveryTag]) {
    var delivered: (tickets: [DeliveryTag], others: [DeliveryTag]) = ([], [])
    guard var consumer = consumers[number], !consumer.isCancelled else { return delivered }
    for _ in 0..<min(limit, ready.count, max(0, consumer.prefetch - consumer.unacked.count)) {
      consumer.lastTag += 1
      let isTicket = ready.removeFirst()
      consumer.unacked[consumer.lastTag] = isTicket
      let tag = DeliveryTag(generation: consumer.generation, value: consumer.lastTag)
      if isTicket { delivered.tickets.append(tag) } else { delivered.others.append(tag) }
    }
    consumers[number] = consumer
    return delivered
  }

  mutating func ack(_ tags: [DeliveryTag], of number: Int) {
    settle(tags, of: number) { _ in }
  }

  mutating func nack(_ tags: [DeliveryTag], of number: Int) {
    var back: [Bool] = []
    settle(tags, of: number) { back.append($0) }
    ready.insert(contentsOf: back, at: 0)
  }

  private mutating func settle(_ tags: [DeliveryTag], of number: Int, _ body: (Bool) -> Void) {
    for tag in tags {
      // Of a channel that is gone, a settlement is not even sent.
      guard tag.generation == consumers[number]?.generation else { continue }
      if let kind = consumers[number]?.unacked.removeValue(forKey: tag.value) {
        body(kind)
      } else {
        faults += 1
      }
    }
  }

  /// The connection is lost, and made anew: all that was unacknowledged comes again.
  mutating func reconnect() {
    for (number, consumer) in consumers {
      ready.insert(contentsOf: consumer.unacked.values, at: 0)
      generation += 1
      consumers[number] =
        consumer.isCancelled
        ? nil : Consumer(prefetch: consumer.prefetch, generation: generation)
    }
  }
}
