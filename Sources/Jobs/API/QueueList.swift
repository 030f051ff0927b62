/// All job queues: the answer to `GET /queues`.
public struct QueueList: Sendable, Hashable, Codable {
  /// All queues, by name.
  public let queues: [QueueStatus]

  /// The queues; what a server answers with.
  public init(queues: [QueueStatus]) {
    self.queues = queues
  }
}
