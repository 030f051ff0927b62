/// The queues, groups and job types that one process knows by its own code or configuration.
public struct JobRegistry: Sendable {
  /// By name; the built-in ones are there from the beginning.
  public private(set) var queues: [JobQueueName: JobQueue]
  /// By name; those of the types.
  public private(set) var groups: [String: JobGroup] = [:]
  /// By id.
  public private(set) var types: [JobTypeID: RegisteredJobType] = [:]

  /// A registry with the built-in queues.
  public init() {
    queues = Dictionary(uniqueKeysWithValues: JobQueue.builtIn.map { ($0.name, $0) })
  }

  /// Declares a queue, or changes the capacity of one that is declared.
  public mutating func register(_ queue: JobQueue) {
    queues[queue.name] = queue
  }

  /// Declares a group.
  ///
  /// - Throws: ``RegistryError`` when its queue is not declared, or when another group has the name.
  public mutating func register(_ group: JobGroup) throws(RegistryError) {
    guard queues[group.queue] != nil else {
      throw .unknownQueue(group: group.name, queue: group.queue, known: queues.keys.sorted())
    }
    if let known = groups[group.name], known != group { throw .groupDiffers(name: group.name) }
    groups[group.name] = group
  }

  /// Registers a job type, and with it its group.
  ///
  /// - Throws: ``RegistryError`` when a type with that id is registered already, or for a reason of its group's.
  public mutating func register<Params, Result>(
    _ type: JobType<Params, Result>
  ) throws(RegistryError) {
    try register(RegisteredJobType(type))
  }

  /// Registers a job type in its erased form; otherwise as for a typed one.
  public mutating func register(_ type: RegisteredJobType) throws(RegistryError) {
    guard types[type.description.id] == nil else { throw .duplicateType(type.description.id) }
    try register(type.group)
    types[type.description.id] = type
  }
}
