public import Jobs

/// How many jobs of a queue have a status.
public struct QueueCount: Sendable, Hashable {
  public let queue: JobQueueName
  public let status: JobStatus
  public let count: Int

  public init(queue: JobQueueName, status: JobStatus, count: Int) {
    self.queue = queue
    self.status = status
    self.count = count
  }
}
