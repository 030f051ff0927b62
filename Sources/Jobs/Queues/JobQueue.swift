/// A job queue: where the jobs of some groups wait, and how many of them one worker runs at once.
public struct JobQueue: Sendable, Hashable {
  /// What a capacity may be: a worker's prefetch is a 16-bit number on the wire (AMQP 0-9-1, basic.qos).
  public static let capacities = 1...65_535

  /// What jobs, workers and the broker call it.
  public let name: JobQueueName
  /// How many jobs of this queue one worker runs at the same time; in ``capacities``.
  public let capacity: Int

  /// - Parameter capacity: taken to the nearest of ``capacities``.
  public init(name: JobQueueName, capacity: Int) {
    self.name = name
    self.capacity = min(max(capacity, Self.capacities.lowerBound), Self.capacities.upperBound)
  }

  /// The queues that exist without being declared (reference: compute, maintenance, download).
  public static let builtIn = [
    JobQueue(name: .compute, capacity: 1),
    JobQueue(name: .maintenance, capacity: 5),
    JobQueue(name: .download, capacity: 10),
  ]
}

extension JobQueue: Codable {
  private enum CodingKeys: String, CodingKey { case name, capacity }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      name: try container.decode(JobQueueName.self, forKey: .name),
      capacity: try container.decode(Int.self, forKey: .capacity))
  }
}
