/// Why the task of an execution callback was cancelled. What the callback does then decides, with this, what becomes of the job.
public enum CancelReason: Sendable, Hashable {
  /// The job is being canceled; the reason is what somebody gave for it.
  case canceled(reason: String?)
  /// The job is being suspended: it goes on from its snapshot another time.
  case suspending
  /// The attempt has outrun its time-out.
  case timedOut
  /// Nothing was heard of the attempt for as long as its type's stall time-out.
  case stalled
  /// The worker ends, and gives the job back: another attempt goes on from its snapshot.
  case shuttingDown
  /// The attempt is no longer the job's: what it reports is refused, and another may run the job already.
  case fenced
}
