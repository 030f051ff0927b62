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

  private var sources: [Int: Source] = [:]
  private var lastSource = 0
  /// Slots that no consumer has.
  private(set) var free: Int

  init(capacity: Int) {
    free = capacity
  }

  /// Gives all free slots to a new consumer.
  ///
  /// - Returns: its number and its prefetch; `nil` when no slot is free.
  mutating func open() -> (source: Int, prefetch: Int)? {
    guard free > 0 else { return nil }
    defer { free = 0 }
    lastSource += 1
    sources[lastSource] = Source(prefetch: free)
    return (lastSource, free)
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
    if entry.isGivenUp { free += count }
    let isOver = entry.isGivenUp && entry.held <= 0
    sources[source] = isOver ? nil : entry
    return isOver
  }

  /// A delivery has been acknowledged though its job runs on, and keeps its slot.
  ///
  /// - Returns: whether the consumer has to be given up now.
  mutating func detached(from source: Int) -> Bool {
    guard let entry = sources[source] else { return false }
    sources[source]?.held -= 1
    guard !entry.isGivenUp else { return false }
    // The slots of those that it holds come back one by one; this one stays taken.
    return giveUp(source, keeping: 1)
  }

  /// A detached job has ended.
  mutating func released() {
    free += 1
  }

  /// Gives all consumers up, so that new ones take their place.
  ///
  /// - Returns: their numbers.
  mutating func giveUpAll() -> [Int] {
    sources.keys.sorted().filter { giveUp($0, keeping: 0) }
  }

  private mutating func giveUp(_ source: Int, keeping taken: Int) -> Bool {
    guard let entry = sources[source], !entry.isGivenUp else { return false }
    sources[source]?.isGivenUp = true
    // The broker may be delivering to it at this moment; whoever comes too many waits for a slot.
    free += max(0, entry.prefetch - entry.held - taken)
    return true
  }
}
