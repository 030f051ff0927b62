public import JobStore
public import Jobs

/// Why a job was not accepted.
public enum ScheduleError: Error, Sendable, CustomStringConvertible {
  case unknownType(JobTypeID, known: [JobTypeID])
  case invalidParams(JobTypeID, ParamsError)
  /// The idempotency key, or the id, belongs to a job of another type or with other params.
  case conflict(existing: Job, key: Bool)
  /// There was a job of that id, and it has been deleted.
  case deleted(JobID)
  /// It is not known whether the job was accepted: asking again with the same idempotency key is safe.
  case store(StoreError)

  public var description: String {
    switch self {
    case .unknownType(let id, let known):
      let names =
        known.isEmpty
        ? "none is known yet" : "known are \(known.map(\.description).joined(separator: ", "))"
      return "there is no job type \(id); \(names)"
    case .invalidParams(let id, let error):
      return "the params of \(id) do not fit: \(error)"
    case .conflict(let existing, let key):
      let what = key ? "idempotency key" : "id"
      return "the \(what) belongs to job \(existing.id), which has another type or other params"
    case .deleted(let id):
      return "job \(id) has been deleted; a new job takes a new id"
    case .store(let error):
      return "the status store failed: \(error)"
    }
  }
}
