/// A job that is to be stored, with the params as they were submitted: a repetition is told by them.
public struct NewJob: Sendable, Hashable {
  public let job: Job
  /// Before the type's defaults were filled in.
  public let submitted: JSONValue

  public init(_ job: Job, submitted: JSONValue) {
    self.job = job
    self.submitted = submitted
  }
}

/// What became of a job that was to be inserted.
public enum Insertion: Sendable, Hashable {
  /// It is in the store.
  case created(Job)
  /// The same was asked for before (same tenant, idempotency key, type and submitted params, or the same id with these);
  /// this is the job that came of it. Who asks now is told of its end as well.
  case repeated(Job)
  /// Its key, or its id, belongs to a job with another content.
  ///
  /// A job with the same id may be another tenant's: then it is not to be shown.
  case conflict(existing: Job)
  /// A job with this id was deleted.
  case deleted
  /// Its key, or its id, belongs to a row that cannot be read.
  case unreadable
  /// The store does not take a value of it, and why. Trying again is of no use.
  case unfit(String)
}

/// What became of a job that was to be deleted.
public enum Deletion: Sendable, Hashable {
  /// It is gone; this is what it was.
  case deleted(Job)
  /// Its status forbids it (``JobStatus/isDeletable``), or somebody else has asked for it meanwhile.
  case refused(Job)
  /// There is no such job, or it is another tenant's.
  case unknown
}
