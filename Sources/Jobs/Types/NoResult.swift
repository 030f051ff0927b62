/// The result of a job type that has none.
public struct NoResult: Codable, Sendable, Hashable {
  /// No result.
  public init() {}
}

extension JobType where Result == NoResult {
  /// Declares a job type without a result; otherwise as the other initialiser.
  public init(
    group: JobGroup, name: String, description: String = "", params: Params,
    timeout: Duration = .zero, retry: RetryPolicy = .never,
    priority: Int = JobPriority.standard, suspendable: Bool = false,
    initialize: Initialize? = nil, stateUpdate: StateUpdate? = nil, suspend: Intervene? = nil,
    resume: Intervene? = nil,
    execute: @escaping @Sendable (Params, JobContext) async throws -> Void
  ) throws {
    try self.init(
      group: group, name: name, description: description, params: params, timeout: timeout,
      retry: retry, priority: priority, suspendable: suspendable, initialize: initialize,
      stateUpdate: stateUpdate,
      suspend: suspend, resume: resume,
      execute: { params, context in
        try await execute(params, context)
        return NoResult()
      })
  }
}
