public import Jobs

/// What the store has been told of groups, types and queues, each sorted by name.
public struct StoredCatalog: Sendable, Hashable {
  public let groups: [JobGroup]
  public let types: [JobTypeDescription]
  public let queues: [JobQueue]

  public init(groups: [JobGroup], types: [JobTypeDescription], queues: [JobQueue]) {
    self.groups = groups
    self.types = types
    self.queues = queues
  }
}
