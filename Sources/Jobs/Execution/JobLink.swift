/// How a running callback reaches whoever keeps its job: the worker, and through it the server.
public struct JobLink: Sendable {
  /// Takes progress; returns at once.
  public var progress: @Sendable (JobProgress) -> Void
  /// Keeps a snapshot; returns when it is durable.
  public var snapshot: @Sendable (JSONPayload) async throws -> Void
  /// Keeps a retry policy, and a time-out for later attempts; returns when they are durable.
  public var policy: @Sendable (RetryPolicy, Duration?) async throws -> Void
  /// Locks the job by another one, or unlocks it with `nil`; returns when the server has decided.
  public var lock: @Sendable (JobID?) async throws -> Void

  /// What is left out does nothing, which is enough for tests of a callback.
  public init(
    progress: @escaping @Sendable (JobProgress) -> Void = { _ in },
    snapshot: @escaping @Sendable (JSONPayload) async throws -> Void = { _ in },
    policy: @escaping @Sendable (RetryPolicy, Duration?) async throws -> Void = { _, _ in },
    lock: @escaping @Sendable (JobID?) async throws -> Void = { _ in }
  ) {
    self.progress = progress
    self.snapshot = snapshot
    self.policy = policy
    self.lock = lock
  }
}
