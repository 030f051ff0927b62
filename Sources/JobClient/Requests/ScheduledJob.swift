public import Jobs

/// What became of a ``ScheduleRequest``.
public struct ScheduledJob: Sendable, Hashable {
  /// The job as the server has it.
  public let job: Job
  /// `false` when the idempotency key has made this job before.
  public let isNew: Bool
}
