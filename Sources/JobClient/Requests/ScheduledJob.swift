public import Jobs

/// What became of a ``ScheduleRequest``.
public struct ScheduledJob: Sendable, Hashable {
  public let job: Job
  /// `false` when the idempotency key has made this job before.
  public let isNew: Bool
}
