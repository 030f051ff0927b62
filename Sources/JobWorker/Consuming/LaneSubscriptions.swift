import AMQP

/// How a lane's slots are spread over its subscriptions: a pure value.
///
/// A prefetch cannot be lowered while deliveries are out, so a subscription that has to hold less is given up: what it has
/// delivered is still settled through it, and the slots that become free that way go to new ones. Mostly there is one, with
/// all of the slots.
struct LaneSubscriptions: Sendable {
  private struct Source {
    enum Stage {
      case opening
      /// It was given up while it was being opened.
      case unwanted
      case open
      /// The broker was told; there may be deliveries on their way.
      case ending
      /// Nothing more comes.
      case ended
    }

    let prefetch: Int
    var stage = Stage.opening
    /// Grows each time that it is subscribed anew, by the connection itself.
    var generation: UInt64 = 0
    /// Tickets in hand.
    var tickets = 0
    /// Messages that are no tickets, and are being dealt with.
    var others = 0

    /// How many slots it takes: the broker may fill the prefetch at any time.
    var taken: Int { stage == .ended ? tickets + others : prefetch }

    var isLive: Bool { stage == .opening || stage == .open }
  }

  /// With more than that, slots are gathered before they go to a further one. Each has a channel of its own.
  private static let mostOfSingleSlots = 8

  private var sources: [Int: Source] = [:]
  private var last = 0

  /// Takes slots for a new one.
  ///
  /// - Parameter slots: how many there are for all together.
  /// - Returns: its number and its prefetch; `nil` when no slot is free.
  mutating func open(of slots: Int, capacity: Int) -> (source: Int, prefetch: Int)? {
    var (free, live, others) = (slots, 0, 0)
    for source in sources.values {
      free -= source.taken
      if source.isLive { live += 1 } else { others += 1 }
    }
    guard free > 0 else { return nil }
    // As long as there are slots that others will leave.
    let isGathering = others > 0 || slots < capacity
    if isGathering, live >= Self.mostOfSingleSlots, free * Self.mostOfSingleSlots < capacity {
      return nil
    }
    last += 1
    sources[last] = Source(prefetch: free)
    return (last, free)
  }

  /// - Returns: whether it is still wanted.
  mutating func opened(_ number: Int) -> Bool {
    switch sources[number]?.stage {
    case .opening: sources[number]?.stage = .open
    case .unwanted:
      sources[number]?.stage = .ending
      return false
    case .open, .ending, .ended, nil: break
    }
    return true
  }

  mutating func notOpened(_ number: Int) {
    sources[number] = nil
  }

  /// Nothing more comes through it.
  mutating func ended(_ number: Int) {
    sources[number]?.stage = .ended
  }

  func hasEnded(_ number: Int) -> Bool { sources[number]?.stage == .ended }

  /// - Returns: whether the broker has to be told.
  mutating func giveUp(_ number: Int) -> Bool {
    switch sources[number]?.stage {
    case .opening: sources[number]?.stage = .unwanted
    case .open:
      sources[number]?.stage = .ending
      return true
    case .unwanted, .ending, .ended, nil: break
    }
    return false
  }

  /// - Returns: those of which the broker has to be told.
  mutating func giveUpAll() -> [Int] {
    guard sources.values.contains(where: \.isLive) else { return [] }
    return sources.keys.sorted().filter { giveUp($0) }
  }

  /// Whether deliveries of a generation still count. Those of one before were lost with their connection.
  func isCurrent(_ generation: UInt64, of number: Int) -> Bool {
    sources[number].map { generation >= $0.generation } ?? false
  }

  /// - Returns: whether all that it delivered before has been lost.
  mutating func delivered(
    tickets: Int, others: Int, generation: UInt64, by number: Int
  ) -> Bool {
    guard let known = sources[number]?.generation else { return false }
    if generation > known {
      sources[number]?.generation = generation
      sources[number]?.tickets = 0
      sources[number]?.others = 0
    }
    sources[number]?.tickets += tickets
    sources[number]?.others += others
    return generation > known
  }

  mutating func settled(tickets: Int, of number: Int) {
    sources[number]?.tickets -= tickets
  }

  mutating func settled(others: [DeliveryTag], of number: Int) {
    guard let generation = sources[number]?.generation else { return }
    sources[number]?.others -= others.count { $0.generation == generation }
  }

  /// Takes out those of which everything is settled.
  mutating func removeSettled() -> [Int] {
    var over: [Int] = []
    for (number, source) in sources where source.stage == .ended && source.taken == 0 {
      over.append(number)
    }
    for number in over { sources[number] = nil }
    return over.sorted()
  }

  /// Whether there is none from which anything could come, or is to be settled. One that is being opened does not count:
  /// nobody waits for it.
  var isEmpty: Bool {
    sources.values.allSatisfy { $0.stage == .opening || $0.stage == .unwanted }
  }
}

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
