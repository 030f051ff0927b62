public import Jobs

/// What became of a job that was to be inserted.
public enum Insertion: Sendable, Hashable {
  /// It is in the store.
  case created(Job)
  /// The same was asked for before (same tenant, idempotency key, type and params, or the same id with these); this is
  /// the job that came of it.
  case repeated(Job)
  /// Its key, or its id, belongs to a job with another content.
  ///
  /// A job with the same id may be another tenant's: then it is not to be shown.
  case conflict(existing: Job)
  /// A job with this id was deleted.
  case deleted
}
