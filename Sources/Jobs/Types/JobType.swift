/// A kind of job: what its params are, how it may run, and the callbacks that do the work.
///
/// The default instance of `Params` gives the params that a job leaves out, and with them the JSON Schema that
/// every job's params are checked against before the job is accepted.
public struct JobType<Params: Codable & Sendable, Result: Codable & Sendable>: Sendable {
  /// Checks or prepares a job while it is created (reference: `JobWorkerInitCallback`). An error refuses the job.
  public typealias Initialize = @Sendable (Params, JobContext) async throws -> Void
  /// Does the work (reference: `JobWorkerExecutionCallback`). An error fails the attempt; cancellation, time-out and
  /// suspension arrive as cancellation of the task that this runs in.
  public typealias Execute = @Sendable (Params, JobContext) async throws -> Result
  /// Sees each change of a job's status or progress while it has a worker, in that worker, from `running` to the status in
  /// which it leaves it (reference: `JobWorkerStateUpdateCallback`). Nothing waits for it.
  public typealias StateUpdate = @Sendable (Params, JobState) async -> Void
  /// Called before a job is suspended, or before it is resumed, within the request; an error fails that operation
  /// (reference: `JobWorkerSuspendCallback`, `JobWorkerResumeCallback`).
  public typealias Intervene = @Sendable (Params, JobContext) async throws -> Void

  /// Names the queue of its jobs.
  public let group: JobGroup
  /// All that others know of it.
  public let description: JobTypeDescription
  let initialize: Initialize?
  let execute: Execute
  let stateUpdate: StateUpdate?
  let suspend: Intervene?
  let resume: Intervene?

  /// Declares a job type.
  ///
  /// - Parameters:
  ///   - group: the group, which names the queue.
  ///   - name: the name within the group; the type's id is `group:name`.
  ///   - description: what it does, for people.
  ///   - params: the default instance.
  ///   - timeout: how long one execution may take; zero is without limit.
  ///   - stallTimeout: how long it may report neither progress nor a heartbeat before it ends as one that took too long; zero is
  ///     for ever.
  ///   - retry: what happens after a failure.
  ///   - priority: 0 to 9, of jobs that name none; of those that are due, higher ones run first.
  ///   - suspendable: whether jobs of this type can be suspended and resumed.
  ///   - initialize: called in a worker while a job is created, and again when it is resumed.
  ///   - stateUpdate: told of each status and progress.
  ///   - suspend: called before a job is suspended.
  ///   - resume: called before a job is resumed, and before `initialize`.
  ///   - execute: does the work; what it returns is the job's result.
  /// - Throws: ``NameError`` for a name that is none, ``JSONError`` for a default instance that cannot be written as JSON.
  public init(
    group: JobGroup, name: String, description: String = "", params: Params,
    timeout: Duration = .zero, stallTimeout: Duration = .zero, retry: RetryPolicy = .never,
    priority: Int = JobPriority.standard, suspendable: Bool = false,
    initialize: Initialize? = nil, stateUpdate: StateUpdate? = nil, suspend: Intervene? = nil,
    resume: Intervene? = nil, execute: @escaping Execute
  ) throws {
    self.group = group
    var callbacks: Set<JobCallback> = []
    if initialize != nil { callbacks.insert(.initialize) }
    if suspend != nil { callbacks.insert(.suspend) }
    if resume != nil { callbacks.insert(.resume) }
    self.description = JobTypeDescription(
      id: try JobTypeID(group: group.name, name: name), description: description,
      timeout: timeout, stallTimeout: stallTimeout, retry: retry, priority: priority,
      params: try JSONValue(encoding: params),
      schema: try ParamsSchema(defaults: params), suspendable: suspendable, callbacks: callbacks)
    self.initialize = initialize
    self.execute = execute
    self.stateUpdate = stateUpdate
    self.suspend = suspend
    self.resume = resume
  }
}

/// The callbacks of a job type that a worker calls for the server, besides the one that does the work.
public enum JobCallback: String, Sendable, Hashable, Codable, CaseIterable {
  /// While the job is created, and again when it is resumed.
  case initialize = "init"
  /// Before the job is suspended.
  case suspend
  /// Before the job is resumed.
  case resume
}

/// The params of a job type that takes none.
public struct NoParams: Codable, Sendable, Hashable {
  /// No params.
  public init() {}
}

/// The result of a job type that has none.
public struct NoResult: Codable, Sendable, Hashable {
  /// No result.
  public init() {}
}

extension JobType where Result == NoResult {
  /// Declares a job type without a result; otherwise as the other initialiser.
  public init(
    group: JobGroup, name: String, description: String = "", params: Params,
    timeout: Duration = .zero, stallTimeout: Duration = .zero, retry: RetryPolicy = .never,
    priority: Int = JobPriority.standard, suspendable: Bool = false,
    initialize: Initialize? = nil, stateUpdate: StateUpdate? = nil, suspend: Intervene? = nil,
    resume: Intervene? = nil,
    execute: @escaping @Sendable (Params, JobContext) async throws -> Void
  ) throws {
    try self.init(
      group: group, name: name, description: description, params: params, timeout: timeout,
      stallTimeout: stallTimeout, retry: retry, priority: priority, suspendable: suspendable,
      initialize: initialize,
      stateUpdate: stateUpdate,
      suspend: suspend, resume: resume,
      execute: { params, context in
        try await execute(params, context)
        return NoResult()
      })
  }
}
