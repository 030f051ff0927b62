/// The queues, groups and job types that one process knows by its own code or configuration.
package struct JobRegistry: Sendable {
  /// By name; the built-in ones are there from the beginning.
  package private(set) var queues: [JobQueueName: JobQueue]
  /// By name; those of the types.
  package private(set) var groups: [String: JobGroup] = [:]
  /// By id.
  package private(set) var types: [JobTypeID: RegisteredJobType] = [:]

  /// A registry with the built-in queues.
  package init() {
    queues = Dictionary(uniqueKeysWithValues: JobQueue.builtIn.map { ($0.name, $0) })
  }

  /// Declares a queue, or changes the capacity of one that is declared.
  package mutating func register(_ queue: JobQueue) {
    queues[queue.name] = queue
  }

  /// Declares a group.
  ///
  /// - Throws: ``RegistryError`` when its queue is not declared, or when another group has the name.
  package mutating func register(_ group: JobGroup) throws(RegistryError) {
    guard queues[group.queue] != nil else {
      throw .unknownQueue(group: group.name, queue: group.queue, known: queues.keys.sorted())
    }
    if let known = groups[group.name] {
      guard known.queue == group.queue else {
        throw .groupInTwoQueues(
          name: group.name, queues: [known.queue, group.queue],
          types: types.keys.filter { $0.group == group.name }.sorted())
      }
      guard known == group else { throw .groupDiffers(name: group.name) }
    }
    groups[group.name] = group
  }

  /// Registers a job type, and with it its group.
  ///
  /// - Throws: ``RegistryError`` when a type with that id is registered already, or for a reason of its group's.
  package mutating func register<Params, Result>(
    _ type: JobType<Params, Result>
  ) throws(RegistryError) {
    try register(RegisteredJobType(type))
  }

  /// Registers a job type in its erased form; otherwise as for a typed one.
  package mutating func register(_ type: RegisteredJobType) throws(RegistryError) {
    guard types[type.description.id] == nil else { throw .duplicateType(type.description.id) }
    do throws(RegistryError) {
      try register(type.group)
    } catch {
      throw error.adding(type.description.id)
    }
    types[type.description.id] = type
  }
}

/// A job type with its params and result as JSON: the form in which types of every kind stand in one registry.
public struct RegisteredJobType: Sendable {
  /// Does the work; the result is `nil` when there is none.
  package typealias Execute = @Sendable (JSONPayload, JobContext) async throws -> JSONPayload?
  /// A callback whose params are JSON.
  package typealias Callback = @Sendable (JSONPayload, JobContext) async throws -> Void
  /// Told of each status and progress.
  package typealias StateUpdate = @Sendable (JSONPayload, JobState) async -> Void

  /// Names the queue of its jobs.
  public let group: JobGroup
  /// All that others know of it.
  public let description: JobTypeDescription
  /// Runs the execution callback.
  package var execute: Execute
  /// How long its callback may take to end after it was told to, where that is longer than its worker waits by itself.
  package let grace: Duration
  /// Called while a job is created, and before it is resumed.
  package let initialize: Callback?
  /// Told of each status and progress.
  package let stateUpdate: StateUpdate?
  /// Called before a job is suspended.
  package let suspend: Callback?
  /// Called before a job is resumed.
  package let resume: Callback?
  /// What becomes of a job whose callback has thrown an error; `nil` leaves it to the retry policy. It is not asked about errors
  /// that say it themselves (``PermanentFailure``, ``RetryAfter``, ``Snooze``, ``JobSkip``), nor about what a callback throws
  /// because it was told to end.
  package var decide: (@Sendable (any Error) -> RetryDecision?)?

  /// A type whose work is done without a Swift type for its params: a program, say.
  ///
  /// - Parameter description: names the callbacks that it has.
  package init(
    group: JobGroup, description: JobTypeDescription, grace: Duration = .zero,
    initialize: Callback? = nil, stateUpdate: StateUpdate? = nil, suspend: Callback? = nil,
    resume: Callback? = nil, execute: @escaping Execute
  ) {
    self.group = group
    self.description = description
    self.grace = grace
    self.execute = execute
    self.initialize = initialize
    self.stateUpdate = stateUpdate
    self.suspend = suspend
    self.resume = resume
  }

  /// One of the callbacks that are called for the server; `nil` when the type has none.
  package func callback(_ callback: JobCallback) -> Callback? {
    switch callback {
    case .initialize: initialize
    case .suspend: suspend
    case .resume: resume
    }
  }

  /// A typed one. Params that do not decode fail the job for good: they will not decode the next time either.
  public init<Params, Result>(_ type: JobType<Params, Result>) {
    func erased(_ callback: @escaping JobType<Params, Result>.Intervene) -> Callback {
      { try await callback(try Self.decode($0), $1) }
    }
    var stateUpdate: StateUpdate?
    if let callback = type.stateUpdate {
      stateUpdate = { params, state in
        // Params that do not decode have failed the job already; there is nobody left to tell.
        guard let params = try? Self.decode(Params.self, params) else { return }
        await callback(params, state)
      }
    }
    self.init(
      group: type.group, description: type.description,
      initialize: type.initialize.map(erased), stateUpdate: stateUpdate,
      suspend: type.suspend.map(erased), resume: type.resume.map(erased)
    ) { params, context in
      try Self.payload(
        of: try await type.execute(try Self.decode(Params.self, params), context))
    }
  }

  /// Params that passed the schema, and still may not decode.
  static func decode<Params: Decodable>(
    _ type: Params.Type = Params.self, _ params: JSONPayload
  ) throws(PermanentFailure) -> Params {
    // It takes whatever there is, and so need not be read.
    if let none = NoParams() as? Params { return none }
    do {
      return try params.decode(as: Params.self)
    } catch {
      throw PermanentFailure("the params do not fit \(Params.self): \(error)")
    }
  }

  static func decode<Params: Decodable>(_ params: JSONPayload) throws(PermanentFailure) -> Params {
    try decode(Params.self, params)
  }

  /// What stands for a result; `nil` for none.
  static func payload(of result: some Encodable) throws(PermanentFailure) -> JSONPayload? {
    if result is NoResult { return nil }
    let value: JSONPayload
    do {
      value = try JSONPayload(encoding: result)
    } catch {
      // The work is done; doing it once more would bring the same.
      throw PermanentFailure("the result cannot be written as JSON: \(error)")
    }
    // An optional that is empty is no result.
    return value.isNull ? nil : value
  }
}

/// Why a registry does not take something.
package enum RegistryError: Error, Hashable, CustomStringConvertible {
  case duplicateType(JobTypeID)
  /// The types of a group share a queue: those here in the first one, and the last of them in the other.
  case groupInTwoQueues(name: String, queues: [JobQueueName], types: [JobTypeID])
  case groupDiffers(name: String)
  case unknownQueue(group: String, queue: JobQueueName, known: [JobQueueName])

  /// The same, of the group of a type that was to be registered.
  fileprivate func adding(_ type: JobTypeID) -> RegistryError {
    guard case .groupInTwoQueues(let name, let queues, let types) = self else { return self }
    return .groupInTwoQueues(name: name, queues: queues, types: types + [type])
  }

  package var description: String {
    switch self {
    case .duplicateType(let id):
      "the job type \(id) is registered twice; give one of them another name"
    case .groupDiffers(let name):
      "the job group \(name) is declared twice, with another description; declare it once"
    case .groupInTwoQueues(let name, let queues, let types):
      "the job group \(name) is put into the queues "
        + queues.map(\.rawValue).joined(separator: " and ")
        + (types.isEmpty ? "" : " by " + types.map(\.description).joined(separator: ", "))
        + "; the types of a group share one queue: give one of them another group, or the same queue"
    case .unknownQueue(let group, let queue, let known):
      "the job group \(group) names the queue \(queue), which is not declared; declared are "
        + known.map(\.rawValue).joined(separator: ", ")
    }
  }
}
