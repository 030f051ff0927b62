/// Names one delivery to one consumer, to acknowledge it.
public struct DeliveryTag: Hashable, Sendable {
  /// Counts the subscriptions that this process has made. A tag belongs to the channel on which it
  /// came; once that has been replaced, after a reconnect, the broker has taken the message back
  /// and the tag is stale.
  public let generation: UInt64
  /// The broker's number: 1, 2, 3 … within a generation.
  public let value: UInt64

  /// A tag; useful in tests, the tags that count come with deliveries.
  public init(generation: UInt64, value: UInt64) {
    self.generation = generation
    self.value = value
  }
}
