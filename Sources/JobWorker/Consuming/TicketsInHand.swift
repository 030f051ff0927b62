import AMQP

/// The tickets that a lane holds, in the order in which they came. Which of them belongs to which job is nobody's concern:
/// a ticket names none.
struct TicketsInHand: Sendable {
  typealias Instant = ContinuousClock.Instant

  struct Ticket: Sendable, Hashable {
    /// Which of the lane's subscriptions delivered it.
    let source: Int
    let tag: DeliveryTag
    let arrived: Instant
  }

  /// Tickets of one subscription, to be settled together.
  struct Batch: Sendable, Hashable {
    let source: Int
    var tags: [DeliveryTag]
  }

  private var items: [Ticket] = []
  /// What is before it has been taken.
  private var first = 0

  var count: Int { items.count - first }

  var oldest: Ticket? { first < items.count ? items[first] : nil }

  mutating func append(_ tags: [DeliveryTag], from source: Int, at now: Instant) {
    for tag in tags { items.append(Ticket(source: source, tag: tag, arrived: now)) }
  }

  /// Takes out as many as there are, at most `limit`.
  mutating func takeOldest(_ limit: Int) -> [Batch] {
    let end = first + min(max(0, limit), count)
    defer {
      first = end
      compact()
    }
    return Self.batches(items[first..<end])
  }

  /// Takes out those that came last from some subscriptions, at most `limit`.
  mutating func takeNewest(_ limit: Int, from isMeant: (Int) -> Bool) -> [Batch] {
    var (taken, kept): ([Ticket], [Ticket]) = ([], [])
    var index = items.count
    while index > first, taken.count < limit {
      index -= 1
      if isMeant(items[index].source) {
        taken.append(items[index])
      } else {
        kept.append(items[index])
      }
    }
    items.replaceSubrange(index..., with: kept.reversed())
    return Self.batches(taken.reversed())
  }

  /// Drops those that a subscription delivered before it was made anew: the broker has taken them back.
  mutating func dropVoid(of source: Int, before generation: UInt64) {
    items = items[first...].filter { $0.source != source || $0.tag.generation >= generation }
    first = 0
  }

  private static func batches(_ tickets: some Sequence<Ticket>) -> [Batch] {
    var batches: [Batch] = []
    for ticket in tickets {
      if let index = batches.firstIndex(where: { $0.source == ticket.source }) {
        batches[index].tags.append(ticket.tag)
      } else {
        batches.append(Batch(source: ticket.source, tags: [ticket.tag]))
      }
    }
    return batches
  }

  private mutating func compact() {
    guard first > 64, first > items.count / 2 else { return }
    items.removeFirst(first)
    first = 0
  }
}
