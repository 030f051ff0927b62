import AMQP
import JobTransport
import Synchronization

/// A broker in memory: what is published to a queue by its name is given to whoever consumes from it. What the broker says
/// of a publication is for the test to decide; it may say nothing, for as long as the test likes.
final class MemoryBroker: MessageBroker {
  typealias Policy = @Sendable (Publication) async -> PublishVerdict
  typealias Answer = @Sendable (Publication) async -> Result<Message, AMQPError>

  struct State: Sendable, CustomStringConvertible {
    var generation: UInt64 = 1
    var version: BrokerInfo.Version? = .init(3, 10, 8)
    /// All that was handed over, confirmed or not.
    var offered: [Publication] = []
    /// What the broker has confirmed.
    var confirmed: [Publication] = []
    var asked: [Publication] = []
    var declared: [QueueDeclaration] = []
    var deleted: [String] = []
    /// Messages that nobody consumes.
    var queues: [String: [Message]] = [:]
    /// Queues that are gone until they are declared.
    var gone: Set<String> = []
    var consumers: [String: MemoryConsumer] = [:]

    var description: String { "\(offered.count) offered, \(confirmed.count) confirmed" }

    func confirmed(to key: String) -> [Publication] { confirmed.filter { $0.routingKey == key } }
    func offered(to key: String) -> [Publication] { offered.filter { $0.routingKey == key } }
  }

  let state = Watched(State())
  private let policy: Mutex<Policy>
  private let answer: Mutex<Answer>

  init(
    _ policy: @escaping Policy = { _ in .confirmed },
    answer: @escaping Answer = { _ in .failure(.returned(code: 312, text: "NO_ROUTE")) }
  ) {
    self.policy = Mutex(policy)
    self.answer = Mutex(answer)
  }

  func set(_ policy: @escaping Policy) {
    self.policy.withLock { $0 = policy }
  }

  func set(answer: @escaping Answer) {
    self.answer.withLock { $0 = answer }
  }

  var generation: UInt64 { state.value.generation }

  var brokerVersion: BrokerInfo.Version? { state.value.version }

  func publish(_ publications: [Publication], timeout: Duration) async -> [PublishVerdict] {
    state.update { $0.offered += publications }
    let policy = policy.withLock { $0 }
    var verdicts: [PublishVerdict] = []
    for publication in publications {
      let verdict = await policy(publication)
      verdicts.append(verdict)
      guard verdict == .confirmed else { continue }
      let consumer = state.update { state -> MemoryConsumer? in
        state.confirmed.append(publication)
        guard publication.exchange.isEmpty else { return nil }
        if let consumer = state.consumers[publication.routingKey] { return consumer }
        state.queues[publication.routingKey, default: []].append(publication.message)
        return nil
      }
      consumer?.deliver([publication.message])
    }
    return verdicts
  }

  func request(
    _ publication: Publication, timeout: Duration
  ) async throws(AMQPError) -> Message {
    state.update { $0.asked.append(publication) }
    return try await answer.withLock { $0 }(publication).get()
  }

  func consume(_ subscription: Subscription) async throws(AMQPError) -> MemoryConsumer {
    let consumer = MemoryConsumer()
    let waiting = state.update { state in
      state.consumers[subscription.queue] = consumer
      return state.queues.removeValue(forKey: subscription.queue) ?? []
    }
    if !waiting.isEmpty { consumer.deliver(waiting) }
    return consumer
  }

  func declare(_ topology: Topology) async throws(AMQPError) {
    state.update { state in
      state.declared += topology.queues
      state.gone.subtract(topology.queues.map(\.name))
    }
  }

  func delete(queue: String) async throws(AMQPError) -> Int {
    state.update { state in
      state.deleted.append(queue)
      return state.queues.removeValue(forKey: queue)?.count ?? 0
    }
  }

  func inspect(queue: String) async throws(AMQPError) -> QueueInfo {
    let state = state.value
    guard !state.gone.contains(queue) else {
      throw .channelClosed(code: 404, text: "NOT_FOUND - no queue '\(queue)'")
    }
    let count = state.queues[queue]?.count ?? 0
    return QueueInfo(name: queue, messages: UInt32(count), consumers: 0)
  }

  /// The consumer of a queue, once there is one.
  func consumer(of queue: String) async throws -> MemoryConsumer {
    try await state.until("\(queue) is consumed") { $0.consumers[queue] != nil }
    return state.value.consumers[queue]!
  }

  /// Whoever waits here waits until the test ends.
  @Sendable static func silence() async {
    let (never, continuation) = AsyncStream.makeStream(of: Void.self)
    await withTaskCancellationHandler {
      for await _ in never {}
    } onCancel: {
      continuation.finish()
    }
  }
}

/// A subscription to a queue of a ``MemoryBroker``.
final class MemoryConsumer: MessageConsumer {
  typealias Element = [Delivery]
  typealias Failure = AMQPError

  struct State: Sendable {
    var delivered: UInt64 = 0
    var acknowledged: [UInt64] = []
    var returned: [UInt64] = []
    var isCancelled = false
  }

  let state = Watched(State())
  private let deliveries: AsyncStream<[Delivery]>
  private let continuation: AsyncStream<[Delivery]>.Continuation

  init() {
    (deliveries, continuation) = AsyncStream.makeStream()
  }

  func deliver(_ messages: [Message]) {
    let first = state.update { state in
      defer { state.delivered += UInt64(messages.count) }
      return state.delivered + 1
    }
    continuation.yield(
      messages.enumerated().map { index, message in
        Delivery(
          message: message, exchange: "", routingKey: "", redelivered: false,
          tag: DeliveryTag(generation: 1, value: first + UInt64(index)))
      })
  }

  func ack(_ deliveries: [DeliveryTag]) async {
    state.update { $0.acknowledged += deliveries.map(\.value) }
  }

  func nack(_ deliveries: [DeliveryTag], requeue: Bool) async {
    state.update { $0.returned += deliveries.map(\.value) }
  }

  func cancel() async {
    state.update { $0.isCancelled = true }
    continuation.finish()
  }

  /// Its queue is gone.
  func end() {
    continuation.finish()
  }

  func untilAcknowledged(_ count: Int) async throws {
    try await state.until("\(count) acknowledged") { $0.acknowledged.count >= count }
  }

  struct AsyncIterator: AsyncIteratorProtocol {
    var base: AsyncStream<[Delivery]>.AsyncIterator

    mutating func next(
      isolation actor: isolated (any Actor)? = #isolation
    ) async throws(AMQPError) -> [Delivery]? {
      await base.next(isolation: actor)
    }
  }

  func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(base: deliveries.makeAsyncIterator())
  }
}

extension Publication {
  /// Whether it is for one worker, or for all.
  var isCommand: Bool { exchange == "jobs.control" || routingKey.hasPrefix("jobs.worker.") }
}
