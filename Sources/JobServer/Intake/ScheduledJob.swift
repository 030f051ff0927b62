public import Jobs

/// A job that was accepted, now or before under the same idempotency key.
public struct ScheduledJob: Sendable, Hashable {
  public let job: Job
  /// Whether it was accepted now.
  public let isNew: Bool
}
