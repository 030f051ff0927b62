import AMQP
import Jobs
import Synchronization

/// One queue that the worker takes jobs from: its slots, and its consumers.
final class Lane: Sendable {
  private struct State {
    var credit: LaneCredit
    var consumers: [Int: Consumer] = [:]
    /// What keeps consumers from being opened.
    var pauses: Set<OutageScope> = []
  }

  let queue: JobQueue
  let slots: SlotGate
  /// Wakes whoever opens consumers: there may be slots for a new one.
  let openings: AsyncStream<Void>
  private let opening: AsyncStream<Void>.Continuation
  private let state: Mutex<State>

  init(_ queue: JobQueue) {
    self.queue = queue
    slots = SlotGate(capacity: queue.capacity)
    state = Mutex(State(credit: LaneCredit(capacity: queue.capacity)))
    (openings, opening) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    opening.yield()
  }

  /// The number and the prefetch of a consumer to be opened now; `nil` when no slot is free.
  func open() -> (source: Int, prefetch: Int)? {
    state.withLock { $0.pauses.isEmpty ? $0.credit.open() : nil }
  }

  func opened(_ consumer: Consumer, as source: Int) async {
    let isWanted = state.withLock { state in
      state.consumers[source] = consumer
      return !state.credit.isGivenUp(source)
    }
    // It was given up while it was being opened.
    if !isWanted { await consumer.cancel() }
  }

  func consumer(_ source: Int) -> Consumer? {
    state.withLock { $0.consumers[source] }
  }

  func delivered(_ count: Int, by source: Int) {
    state.withLock { $0.credit.delivered(count, by: source) }
  }

  /// The deliveries are dealt with.
  func ack(_ tags: [DeliveryTag], of source: Int) async {
    guard !tags.isEmpty else { return }
    await consumer(source)?.ack(tags)
    settled(tags.count, of: source)
  }

  /// The deliveries go back to the broker.
  func giveBack(_ tags: [DeliveryTag], of source: Int) async {
    guard !tags.isEmpty else { return }
    await consumer(source)?.nack(tags, requeue: true)
    settled(tags.count, of: source)
  }

  /// The deliveries have been dealt with by another.
  func settled(_ count: Int, of source: Int) {
    state.withLock { state in
      if state.credit.settled(count, of: source) { state.consumers[source] = nil }
    }
    opening.yield()
  }

  /// A job runs on without its delivery; its slot stays taken.
  func detach(_ tag: DeliveryTag, of source: Int) async {
    let consumer = consumer(source)
    await consumer?.ack([tag])
    let isGivenUp = state.withLock { $0.credit.detached(from: source) }
    if isGivenUp { await consumer?.cancel() }
    opening.yield()
  }

  /// A job that ran on without its delivery has ended.
  func release() {
    state.withLock { $0.credit.released() }
    opening.yield()
  }

  /// Has new consumers take the place of all that there are.
  func renew() async {
    let consumers = state.withLock { state in
      state.credit.giveUpAll().compactMap { state.consumers[$0] }
    }
    for consumer in consumers { await consumer.cancel() }
    opening.yield()
  }

  /// Takes nothing more until it is resumed for the same reason. When this returns the broker delivers nothing more; what it
  /// has delivered can still be settled.
  func pause(for scope: OutageScope) async {
    let consumers = state.withLock { state in
      state.pauses.insert(scope)
      return state.credit.giveUpAll().compactMap { state.consumers[$0] }
    }
    for consumer in consumers { await consumer.cancel() }
  }

  /// Takes messages again, unless another reason is left.
  func resume(from scope: OutageScope) {
    state.withLock { _ = $0.pauses.remove(scope) }
    opening.yield()
  }

  /// Ends all consumers; what they have delivered can still be settled.
  func end() async {
    opening.finish()
    for consumer in state.withLock({ Array($0.consumers.values) }) { await consumer.cancel() }
  }
}
