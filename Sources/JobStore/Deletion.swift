public import Jobs

/// What became of a job that was to be deleted.
public enum Deletion: Sendable, Hashable {
  /// It is gone; this is what it was.
  case deleted(Job)
  /// Its status forbids it (``JobStatus/isDeletable``), or the caller's condition.
  case refused(Job)
  /// There is no such job, or it is another tenant's.
  case unknown
}
