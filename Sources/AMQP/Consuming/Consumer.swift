/// A subscription to a queue: a sequence of deliveries, and their acknowledgement.
///
/// It survives the loss of the connection: it subscribes again, and what was not acknowledged comes
/// again. It ends when it is cancelled or the connection's ``Connection/run()`` ends, and throws
/// when it cannot go on, such as when its queue was deleted and is not part of the declared
/// topology. When the last copy of it goes, the subscription is given up and what is unacknowledged
/// goes back to the queue.
public struct Consumer: AsyncSequence, Sendable {
  /// All that has gathered since the last one was asked for; never empty.
  public typealias Element = [Delivery]
  public typealias Failure = AMQPError

  private let handle: ConsumerHandle

  init(_ handle: ConsumerHandle) {
    self.handle = handle
  }

  /// The iterator of a ``Consumer``. Several may be used at a time; each delivery goes to one of
  /// them.
  public struct AsyncIterator: AsyncIteratorProtocol {
    let handle: ConsumerHandle

    /// Waits for deliveries. `nil` at the end, or if the task is cancelled.
    public mutating func next(
      isolation actor: isolated (any Actor)? = #isolation
    ) async throws(AMQPError) -> [Delivery]? {
      try await handle.buffer.next()
    }
  }

  public func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(handle: handle)
  }

  /// Ends the subscription. What has been delivered can still be taken and acknowledged; after it
  /// the sequence ends.
  public func cancel() async {
    await handle.connection.cancel(consumer: handle.id)
  }

  /// Changes how many deliveries may be unacknowledged at a time, now and after each reconnect. The
  /// broker takes a number for new subscriptions only, so the subscription is made anew: an exclusive
  /// or single active consumer may lose its place to another one. What is unacknowledged stays so.
  public func setPrefetch(_ prefetch: UInt16) async throws(AMQPError) {
    try await handle.connection.setPrefetch(prefetch, consumer: handle.id)
  }

  /// Tells the broker that these deliveries are dealt with. Does not wait for anything. Tags of an
  /// earlier generation are ignored: the broker has taken those messages back already.
  public func ack(_ deliveries: [DeliveryTag]) async {
    handle.connection.settle(deliveries, .ack, consumer: handle.id)
  }

  /// Refuses these deliveries: with `requeue` they go back to the queue, without it they are
  /// dropped or go to the queue's dead-letter exchange. Otherwise as ``ack(_:)``.
  public func nack(_ deliveries: [DeliveryTag], requeue: Bool) async {
    handle.connection.settle(deliveries, requeue ? .requeue : .drop, consumer: handle.id)
  }
}

/// What the copies of a ``Consumer`` share. Without it nobody can take deliveries, so its end ends
/// the subscription.
final class ConsumerHandle: Sendable {
  let connection: Connection
  let id: UInt64
  let buffer: DeliveryBuffer

  init(connection: Connection, id: UInt64, buffer: DeliveryBuffer) {
    self.connection = connection
    self.id = id
    self.buffer = buffer
  }

  deinit {
    connection.abandon(consumer: id)
  }
}

/// How to consume from a queue.
public struct Subscription: Sendable, Hashable {
  /// The queue.
  public var queue: String
  /// How many deliveries may be unacknowledged at a time; 0 is no limit (then what has gathered is
  /// bounded by ``ConnectionConfiguration/maximumBufferedBytes`` only).
  public var prefetch: UInt16
  /// The consumer's name in the management UI; made by the broker if absent.
  public var consumerTag: String?
  /// Whether to refuse, and be refused by, other consumers of the queue.
  public var exclusive: Bool
  /// Whether the broker forgets a message as soon as it is sent. Then nothing is acknowledged, and
  /// ``prefetch`` has no effect.
  public var noAck: Bool
  /// Such as `x-priority`.
  public var arguments: FieldTable

  /// A subscription to `queue`.
  public init(
    queue: String, prefetch: UInt16, consumerTag: String? = nil, exclusive: Bool = false,
    noAck: Bool = false, arguments: FieldTable = [:]
  ) {
    self.queue = queue
    self.prefetch = prefetch
    self.consumerTag = consumerTag
    self.exclusive = exclusive
    self.noAck = noAck
    self.arguments = arguments
  }

  func check() throws(AMQPError) {
    try ShortString.check(queue, "the queue's name")
    try ShortString.check(consumerTag ?? "", "the consumer tag")
    if let name = arguments.overlongName {
      throw .invalidArgument("the consumer argument \(name.prefix(40))… has too long a name")
    }
  }
}
