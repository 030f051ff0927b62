/// A group of job types, which share a queue.
public struct JobGroup: Sendable, Hashable {
  /// The first part of the ids of its types.
  public let name: String
  /// The queue in which its jobs wait.
  public let queue: JobQueueName
  /// What the group is for, for people.
  public let description: String

  /// - Throws: ``NameError`` when the name is no ``JobName``.
  public init(_ name: String, queue: JobQueueName, description: String = "") throws(NameError) {
    self.name = try JobName.validate(name, of: "job group")
    self.queue = queue
    self.description = description
  }
}

extension JobGroup: Codable {
  private enum CodingKeys: String, CodingKey {
    case name, description
    case queue = "queue_name"
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    do {
      try self.init(
        container.decode(String.self, forKey: .name),
        queue: container.decode(JobQueueName.self, forKey: .queue),
        description: container.decode(String.self, forKey: .description))
    } catch let error as NameError {
      throw DecodingError.dataCorruptedError(
        forKey: .name, in: container, debugDescription: error.description)
    }
  }
}
