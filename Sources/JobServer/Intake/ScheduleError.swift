public import Jobs

/// Why a job was not accepted.
public enum ScheduleError: Error, Sendable, CustomStringConvertible {
  case unknownType(JobTypeID, known: [JobTypeID])
  case invalidParams(JobTypeID, ParamsError)
  /// The final job is to be sent to one of Warren's own queues.
  case ownAddress(String)
  /// The idempotency key, or the id, belongs to a job of another type or with other params.
  case conflict(existing: Job, key: Bool)
  /// The idempotency key, or the id, belongs to a job whose stored data cannot be read.
  case unreadable(JobID)
  /// There was a job of that id, and it has been deleted.
  case deleted(JobID)
  /// The type's init callback has refused it.
  case refused(JobTypeID, String)
  /// No worker is there to call the type's init callback.
  case nobody(JobTypeID)
  /// A worker was asked to call the type's init callback and did not answer.
  case noAnswer(JobTypeID)
  /// It is not known whether the job was accepted: asking again with the same idempotency key is safe.
  case store(StoreError)

  public var description: String {
    switch self {
    case .unknownType(let id, let known):
      let names = known.map(\.description).listedAsKnown(orElse: "none is known yet")
      return "there is no job type \(id); \(names)"
    case .invalidParams(let id, let error):
      return "the params of \(id) do not fit: \(error)"
    case .ownAddress(let address):
      return
        "reply_to must not be a queue of Warren's own, as '\(address.prefix(100))' is by its name; give a queue of yours, or amq.rabbitmq.reply-to"
    case .conflict(let existing, let key):
      let what = key ? "idempotency key" : "id"
      return "the \(what) belongs to job \(existing.id), which has another type or other params"
    case .unreadable(let id):
      return
        "what is stored under the id or idempotency key of job \(id) cannot be read; the server's log says more, and another key makes another job"
    case .deleted(let id):
      return "job \(id) has been deleted; a new job takes a new id"
    case .refused(let type, let message):
      return "the init callback of \(type) refuses the job: \(message)"
    case .nobody(let type):
      return "no worker of \(type) is there to initialize the job"
    case .noAnswer(let type):
      return "the worker that was to initialize a job of \(type) did not answer"
    case .store(let error):
      return "the status store failed: \(error)"
    }
  }
}
