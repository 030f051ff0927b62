/// How a queue's slots are spread over its consumers: a pure value.
///
/// A prefetch cannot be changed, so a consumer that has to hold less is given up: what it has delivered is still settled
/// through it, and each slot that becomes free that way goes to a new consumer. Mostly there is one, with all of the slots.
struct LaneCredit: Sendable {
  private struct Source {
    let prefetch: Int
    /// Delivered and not settled.
    var held = 0
    var isGivenUp = false
  }

  private let capacity: Int
  private var sources: [Int: Source] = [:]
  private var lastSource = 0
  /// Jobs that run on without their delivery.
  private var detached = 0

  init(capacity: Int) {
    self.capacity = capacity
  }

  /// Slots that no consumer has. The broker may have delivered to a consumer as it was given up, and delivers anew after a
  /// reconnection: for as long as that is held, there are fewer.
  var free: Int {
    let taken = sources.values.reduce(detached) { $0 + ($1.isGivenUp ? $1.held : $1.prefetch) }
    return max(0, capacity - taken)
  }

  /// Gives all free slots to a new consumer.
  ///
  /// - Returns: its number and its prefetch; `nil` when no slot is free.
  mutating func open() -> (source: Int, prefetch: Int)? {
    let prefetch = free
    guard prefetch > 0 else { return nil }
    lastSource += 1
    sources[lastSource] = Source(prefetch: prefetch)
    return (lastSource, prefetch)
  }

  mutating func delivered(_ count: Int, by source: Int) {
    sources[source]?.held += count
  }

  /// Deliveries have been acknowledged or given back.
  ///
  /// - Returns: whether the consumer is not needed any longer.
  mutating func settled(_ count: Int, of source: Int) -> Bool {
    guard var entry = sources[source] else { return false }
    entry.held -= count
    let isOver = entry.isGivenUp && entry.held <= 0
    sources[source] = isOver ? nil : entry
    return isOver
  }

  /// A delivery has been acknowledged though its job runs on, and keeps its slot.
  ///
  /// - Returns: whether the consumer has to be given up now.
  mutating func detached(from source: Int) -> Bool {
    detached += 1
    guard sources[source] != nil else { return false }
    sources[source]?.held -= 1
    return giveUp(source)
  }

  /// A detached job has ended.
  mutating func released() {
    detached -= 1
  }

  /// Gives all consumers up, so that new ones take their place.
  ///
  /// - Returns: their numbers.
  mutating func giveUpAll() -> [Int] {
    sources.keys.sorted().filter { giveUp($0) }
  }

  /// Whether deliveries of it are still dealt with, but no more are wanted.
  func isGivenUp(_ source: Int) -> Bool {
    sources[source]?.isGivenUp ?? true
  }

  private mutating func giveUp(_ source: Int) -> Bool {
    guard let entry = sources[source], !entry.isGivenUp else { return false }
    sources[source]?.isGivenUp = true
    return true
  }
}
