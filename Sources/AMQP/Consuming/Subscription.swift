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
