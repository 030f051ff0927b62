import AMQP
import JobTransport
import Jobs
import Synchronization

/// A work queue in memory, which delivers like the broker.
final class MemoryQueue: Sendable {
  private struct State {
    var model = QueueModel()
    var streams: [Int: AsyncStream<[Delivery]>.Continuation] = [:]
    var lastConsumer = 0
  }

  /// What it was told, and how many messages it holds after that.
  struct Event: Sendable, Hashable {
    enum Kind: Sendable, Hashable { case subscribed, cancelled, acked, givenBack }
    let kind: Kind
    let ready: Int
    let unacked: Int
  }

  struct Consumer: MessageConsumer {
    typealias Element = [Delivery]
    typealias Failure = AMQPError

    struct AsyncIterator: AsyncIteratorProtocol {
      var base: AsyncStream<[Delivery]>.AsyncIterator

      mutating func next(
        isolation actor: isolated (any Actor)? = #isolation
      ) async throws(AMQPError) -> [Delivery]? {
        await base.next(isolation: actor)
      }
    }

    let queue: MemoryQueue
    let number: Int
    let stream: AsyncStream<[Delivery]>

    func makeAsyncIterator() -> AsyncIterator {
      AsyncIterator(base: stream.makeAsyncIterator())
    }

    func ack(_ tags: [DeliveryTag]) async {
      queue.change(.acked) { $0.model.ack(tags, of: number) }
    }

    func nack(_ tags: [DeliveryTag], requeue: Bool) async {
      queue.change(.givenBack) { $0.model.nack(tags, of: number) }
    }

    func cancel() async {
      queue.change(.cancelled) { state in
        state.model.cancel(number)
        state.streams.removeValue(forKey: number)?.finish()
      }
    }
  }

  let events = Recorder<Event>()
  private let state = Mutex(State())

  func publish(_ count: Int = 1, tickets: Bool = true) {
    change(nil) { $0.model.publish(count, tickets: tickets) }
  }

  func subscribe(prefetch: Int) -> Consumer {
    let (stream, continuation) = AsyncStream.makeStream(of: [Delivery].self)
    return change(.subscribed) { state in
      state.lastConsumer += 1
      state.model.subscribe(state.lastConsumer, prefetch: prefetch)
      state.streams[state.lastConsumer] = continuation
      return Consumer(queue: self, number: state.lastConsumer, stream: stream)
    }
  }

  /// The connection is lost, and made anew.
  func reconnect() {
    change(nil) { $0.model.reconnect() }
  }

  var ready: Int { state.withLock(\.model.readyCount) }
  var unacked: Int { state.withLock(\.model.unackedCount) }
  var faults: Int { state.withLock(\.model.faults) }

  /// Changes something, and delivers what can be delivered then.
  @discardableResult
  private func change<Result: Sendable>(
    _ kind: Event.Kind?, _ body: (inout State) -> Result
  ) -> Result {
    let (result, event) = state.withLock { state in
      let result = body(&state)
      for (number, stream) in state.streams {
        let (tickets, others) = state.model.deliver(to: number)
        let deliveries =
          tickets.map { Self.delivery(WireCoding.ticket(), $0) }
          + others.map { Self.delivery(Message(text: "?"), $0) }
        if !deliveries.isEmpty { stream.yield(deliveries) }
      }
      let event = kind.map {
        Event(kind: $0, ready: state.model.readyCount, unacked: state.model.unackedCount)
      }
      return (result, event)
    }
    if let event { events.add(event) }
    return result
  }

  private static func delivery(_ message: Message, _ tag: DeliveryTag) -> Delivery {
    Delivery(message: message, exchange: "", routingKey: "", redelivered: false, tag: tag)
  }
}
