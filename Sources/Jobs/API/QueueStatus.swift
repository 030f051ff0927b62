/// How much waits and runs in one job queue, and how many workers are there for it.
public struct QueueStatus: Sendable, Hashable, Codable {
  /// Which queue.
  public let name: JobQueueName
  /// How many of its jobs one worker runs at the same time, unless the worker says otherwise.
  public let capacity: Int
  /// Jobs that wait and are due.
  public let waiting: Int
  /// Jobs that wait for their time.
  public let scheduled: Int
  /// Jobs that some worker has.
  public let running: Int
  /// Workers that take jobs from it.
  public let workers: Int

  /// The state of a queue; what a server answers with.
  public init(
    name: JobQueueName, capacity: Int, waiting: Int, scheduled: Int, running: Int, workers: Int
  ) {
    self.name = name
    self.capacity = capacity
    self.waiting = waiting
    self.scheduled = scheduled
    self.running = running
    self.workers = workers
  }
}
