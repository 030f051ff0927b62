/// Whether a message survives a restart of the broker in a durable classic queue. Quorum queues
/// keep all.
public enum DeliveryMode: UInt8, Sendable, Hashable {
  /// Kept in memory only.
  case transient = 1
  /// Written to disk.
  case persistent = 2
}
