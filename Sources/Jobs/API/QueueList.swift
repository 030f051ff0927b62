/// All job queues: the answer to `GET /queues`.
public struct QueueList: Sendable, Hashable, Codable {
  public let queues: [QueueStatus]

  public init(queues: [QueueStatus]) {
    self.queues = queues
  }
}
