/// What the broker says of a queue.
public struct QueueInfo: Sendable, Hashable {
  /// Its name.
  public let name: String
  /// Messages that wait in it (not those that are delivered and unacknowledged).
  public let messages: UInt32
  /// Consumers that are subscribed to it.
  public let consumers: UInt32

  /// A description; useful in tests, the broker gives those that count.
  public init(name: String, messages: UInt32, consumers: UInt32) {
    self.name = name
    self.messages = messages
    self.consumers = consumers
  }
}
