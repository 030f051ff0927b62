import AMQP
import JobTransport
import Jobs
import Logging
import Synchronization

/// Consumes one work queue: does what its ``LaneState`` says.
final class QueueConsumer: Sendable {
  /// Subscribes with a prefetch, however long the broker is away; `nil` when the worker ends before.
  typealias Subscribe = @Sendable (UInt16) async throws -> (any MessageConsumer)?
  /// Deals with messages that are no tickets, and settles them.
  typealias HandleOthers = @Sendable ([Delivery], any MessageConsumer) async -> Void
  /// Asks for so many jobs; then tells ``answered(jobs:_:)``, or ``unanswered()``.
  typealias Claim = @Sendable (Int, QueueConsumer) async -> Void

  private struct State {
    var lane: LaneState
    var consumers: [Int: any MessageConsumer] = [:]
    var claim: Claim?
    var deadline: (id: DeadlineQueue.ID, time: ContinuousClock.Instant)?
  }

  /// An action, with the subscription that it needs.
  private enum Effect {
    case open(source: Int, prefetch: Int)
    case cancel(any MessageConsumer)
    case ack(any MessageConsumer, [DeliveryTag])
    case giveBack(any MessageConsumer, [DeliveryTag])
    case claim(count: Int)
    case finish

    /// Whether it waits for the broker.
    var isSlow: Bool { if case .cancel = self { true } else { false } }
  }

  let queue: JobQueueName
  private let subscribe: Subscribe
  private let others: HandleOthers
  private let deadlines: DeadlineQueue
  private let lifecycle: WorkerLifecycle
  private let state: Mutex<State>
  private let finishes: AsyncStream<Never>
  private let finish: AsyncStream<Never>.Continuation

  init(
    _ queue: JobQueueName, _ settings: LaneState.Settings, deadlines: DeadlineQueue,
    lifecycle: WorkerLifecycle, subscribe: @escaping Subscribe,
    others: @escaping HandleOthers
  ) {
    self.queue = queue
    self.subscribe = subscribe
    self.others = others
    self.deadlines = deadlines
    self.lifecycle = lifecycle
    state = Mutex(State(lane: LaneState(settings)))
    (finishes, finish) = AsyncStream.makeStream()
  }

  /// Returns when the worker takes on no more jobs and has dealt with those that it has, or leaves.
  func run(claim: @escaping Claim) async {
    state.withLock { $0.claim = claim }
    await apply { $0.start() }
    await withDiscardingTaskGroup { group in
      // What these do may wait for the broker; nothing waits for them.
      group.addTask { [self] in
        await lifecycle.reached(.draining)
        if lifecycle.phase >= .draining { Task { await apply { $0.drain() } } }
      }
      group.addTask { [self] in
        await lifecycle.reached(.leaving)
        if lifecycle.phase >= .leaving { Task { await apply { $0.leave() } } }
      }
      for await _ in finishes {}
      group.cancelAll()
    }
    state.withLock { state in
      deadlines.cancel(state.deadline?.id)
      state.deadline = nil
      // What it needs reaches this consumer.
      state.claim = nil
    }
  }

  /// Whether it waits to be woken.
  var isParked: Bool { state.withLock(\.lane.isParked) }

  // MARK: Events

  /// The claim was answered; so many jobs of it run now.
  func answered(jobs: Int, _ rest: ClaimAnswer.Rest) async {
    await apply { $0.answered(jobs: jobs, rest, at: .now) }
  }

  /// There is no answer to the claim, and it is not asked again.
  func unanswered() async { await apply { $0.unanswered() } }

  /// A job has ended.
  func finished(isSettled: Bool) async { await apply { $0.finished(isSettled: isSettled) } }

  /// There is something to run in the queue.
  func wake() async { await apply { $0.wake() } }

  /// Subscribes anew.
  func renew() async { await apply { $0.renew() } }

  /// Takes nothing more until it is resumed for the same reason. When this returns the broker delivers nothing more; what it
  /// has delivered can still be settled.
  func pause(for scope: OutageScope) async { await apply { $0.pause(for: scope) } }

  /// Takes messages again, unless another reason is left.
  func resume(from scope: OutageScope) async { await apply { $0.resume(from: scope) } }

  private func tick() async {
    await apply(isTick: true) { $0.tick(at: .now) }
  }

  // MARK: Deliveries

  /// Subscribes, and reads what is delivered to its end.
  private func read(_ source: Int, prefetch: Int) async {
    var isOpened = false
    do {
      if let consumer = try await subscribe(UInt16(clamping: prefetch)) {
        isOpened = true
        await apply(adding: (source, consumer)) { $0.opened(source) }
        try await read(consumer, source)
      }
    } catch {
      // Jobs that run are not to suffer for it.
      lifecycle.fail(error)
    }
    await apply { isOpened ? $0.ended(source) : $0.notOpened(source) }
  }

  private func read(_ consumer: some MessageConsumer, _ source: Int) async throws {
    for try await deliveries in consumer {
      var tickets: [DeliveryTag] = []
      var others: [Delivery] = []
      tickets.reserveCapacity(deliveries.count)
      for delivery in deliveries {
        if WireCoding.isTicket(delivery.message) {
          tickets.append(delivery.tag)
        } else {
          others.append(delivery)
        }
      }
      await apply { [others] in
        $0.delivered(tickets, others: others.map(\.tag), by: source, at: .now)
      }
      guard !others.isEmpty else { continue }
      // It may take long, and tickets do not wait for it.
      Task { [others] in
        await self.others(others, consumer)
        await apply { $0.settled(others.map(\.tag), of: source) }
      }
    }
  }

  // MARK: Actions

  private func apply(
    isTick: Bool = false, adding added: (source: Int, consumer: any MessageConsumer)? = nil,
    _ event: (inout LaneState) -> [LaneState.Action]
  ) async {
    let effects = state.withLock { state in
      if isTick { state.deadline = nil }
      if let added { state.consumers[added.source] = added.consumer }
      let effects = event(&state.lane).compactMap { Self.effect(of: $0, &state) }
      setDeadline(&state)
      return effects
    }
    for effect in effects where !effect.isSlow { await perform(effect) }
    for effect in effects where effect.isSlow { await perform(effect) }
  }

  /// With the subscription, which another task may have forgotten by the time that it is needed.
  private static func effect(of action: LaneState.Action, _ state: inout State) -> Effect? {
    switch action {
    case .open(let source, let prefetch): return .open(source: source, prefetch: prefetch)
    case .cancel(let source): return state.consumers[source].map(Effect.cancel)
    case .ack(let batch): return state.consumers[batch.source].map { .ack($0, batch.tags) }
    case .giveBack(let batch):
      return state.consumers[batch.source].map { .giveBack($0, batch.tags) }
    case .forget(let source):
      state.consumers[source] = nil
      return nil
    case .claim(let count): return .claim(count: count)
    case .finish: return .finish
    }
  }

  private func perform(_ effect: Effect) async {
    switch effect {
    case .open(let source, let prefetch):
      Task { await read(source, prefetch: prefetch) }
    case .cancel(let consumer): await consumer.cancel()
    case .ack(let consumer, let tags): await consumer.ack(tags)
    case .giveBack(let consumer, let tags): await consumer.nack(tags, requeue: true)
    case .claim(let count):
      guard let claim = state.withLock(\.claim) else { return }
      Task { await claim(count, self) }
    case .finish: finish.finish()
    }
  }

  /// One timer for all that the lane waits for. It may ring early, when what it was set for is gone.
  private func setDeadline(_ state: inout State) {
    guard let next = state.lane.nextDeadline else { return }
    if let deadline = state.deadline {
      guard next < deadline.time else { return }
      deadlines.cancel(deadline.id)
    }
    let id = deadlines.after(next - .now) { [weak self] in Task { await self?.tick() } }
    state.deadline = (id, next)
  }
}

/// The consumers of all queues that the worker takes jobs from.
struct QueueConsumers: Sendable {
  private let consumers: [JobQueueName: QueueConsumer]

  /// - Parameter queues: of those with the same name the last counts.
  init(_ queues: [JobQueue], consumer: (JobQueue) -> QueueConsumer) {
    let queues = Dictionary(queues.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    consumers = queues.mapValues(consumer)
  }

  var all: [QueueConsumer] { consumers.values.sorted { $0.queue < $1.queue } }

  /// The queues for which it was told to park.
  var parked: [JobQueueName] { all.filter(\.isParked).map(\.queue) }

  /// There is something to run in a queue.
  func wake(_ queue: JobQueueName) async {
    await consumers[queue]?.wake()
  }

  /// Subscribes to a queue anew.
  func renew(_ queue: JobQueueName) async {
    await consumers[queue]?.renew()
  }

  /// Where there is no such queue, all are meant.
  func scope(of queue: JobQueueName) -> OutageScope {
    consumers[queue] == nil ? .worker : .queue(queue)
  }

  /// Takes nothing more from the queues that are meant.
  func pause(_ scope: OutageScope) async {
    for consumer in all where scope.contains(consumer.queue) { await consumer.pause(for: scope) }
  }

  /// Takes from them again.
  func resume(_ scope: OutageScope) async {
    for consumer in all where scope.contains(consumer.queue) { await consumer.resume(from: scope) }
  }
}

extension Connection {
  /// Subscribes, however long the broker is away.
  ///
  /// - Returns: `nil` when the worker ends before.
  /// - Throws: what waiting does not heal, such as a refusal by the broker.
  func subscribe(
    _ subscription: Subscription, until lifecycle: WorkerLifecycle, logger: Logger
  ) async throws(AMQPError) -> Consumer? {
    var pause = Pause(first: .milliseconds(400), longest: .seconds(5))
    // Each of these costs the connection, which serves the other queues, too.
    var failure = Pause(first: .seconds(1), longest: .seconds(60))
    while lifecycle.phase == .working, !Task.isCancelled {
      do throws(AMQPError) {
        return try await consume(subscription)
      } catch {
        if error.isInternal {
          logger.error(
            "the broker fails over a queue, whose process may be gone; see docs/operations.md",
            metadata: ["queue": "\(subscription.queue)", "error": "\(error)"])
          if await lifecycle.reached(.draining, within: failure.take()) { break }
          continue
        }
        switch error {
        case .timeout, .socket, .connect, .connectionClosed, .protocolViolation: break
        // Not there, and not this worker's to declare: the server does it.
        case .channelClosed(404, _): break
        case .closed, .cancelled: return nil
        default: throw error
        }
        logger.warning(
          "not yet subscribed",
          metadata: ["queue": "\(subscription.queue)", "error": "\(error)"])
      }
      if await lifecycle.reached(.draining, within: pause.take()) { break }
    }
    return nil
  }
}
