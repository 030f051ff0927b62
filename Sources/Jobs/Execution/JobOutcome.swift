/// How one attempt to run a job ended, as its worker saw it. What becomes of the job is the lifecycle's decision.
public enum JobOutcome: Sendable, Hashable {
  case completed(result: JSONPayload?)
  /// The callback threw; `permanent` forbids a retry.
  case failed(error: String, permanent: Bool)
  /// The attempt outran its time-out and was stopped.
  case timedOut(error: String)
  case skipped(reason: String)
  /// The callback ended because it was told to.
  case canceled
  /// The worker gives the job back unfinished, because it is being stopped: this is no failure and no retry.
  case returned
}

/// How much of a job is kept, in bytes of JSON. What a worker lets through, and what a configuration may ask for, agree with
/// these.
public enum JobLimits {
  /// Of a result.
  public static let result = 1 << 20
  /// Of a snapshot.
  public static let snapshot = 1 << 20
}
