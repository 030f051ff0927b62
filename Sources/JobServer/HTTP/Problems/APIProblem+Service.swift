import HTTPTypes
import Jobs

extension APIProblem {
  /// How long a client shall wait before it asks again, in seconds, when the store does not answer.
  static let retryAfter = 2

  /// What went wrong in the store is for the log, not for the client.
  static let storeUnavailable = APIProblem(
    .storeUnavailable,
    "the status store does not answer now; ask again in \(retryAfter) s (a job that is scheduled"
      + " with an idempotency key is never scheduled twice)",
    headers: [.retryAfter: String(retryAfter)])

  /// How long a client shall wait that asks for more than can be written, in seconds.
  static let overloadedRetryAfter = 1

  /// Too much waits to be written.
  static let overloaded = APIProblem(
    .tooManyRequests,
    "too much waits to be written into the status store; ask again in \(overloadedRetryAfter) s (a"
      + " job that is scheduled with an idempotency key is never scheduled twice)",
    headers: [.retryAfter: String(overloadedRetryAfter)])

  /// A value that the store does not take is the client's affair; all else is the server's.
  init(_ error: StoreError) {
    switch error {
    case .overloaded: self = .overloaded
    case .unfit(let why): self.init(.invalidParameter, why)
    default: self = .storeUnavailable
    }
  }

  init(_ error: ScheduleError) {
    switch error {
    case .unknownType(_, let known):
      self.init(.unknownType, error.description, knownTypes: known)
    case .invalidParams:
      self.init(.invalidParams, error.description)
    case .ownAddress:
      self.init(.invalidBody, error.description)
    case .conflict(let existing, _):
      self.init(.conflict, error.description, job: existing.id)
    case .unreadable(let id):
      self.init(.conflict, error.description, job: id)
    case .deleted(let id):
      self.init(.deleted, error.description, job: id)
    case .refused:
      self.init(.callbackFailed, error.description)
    case .nobody, .noAnswer:
      self.init(
        .noWorker, error.description, headers: [.retryAfter: String(Self.retryAfter)])
    case .store(.unfit(let why)):
      self.init(.invalidBody, "the store does not take the job: \(why)")
    case .store(let error):
      self.init(error)
    }
  }

  init(_ error: JobServiceError) {
    switch error {
    case .unknownJob:
      self.init(.notFound, error.description)
    case .held(let job):
      self.init(.held, error.description, job: job.id)
    case .rejected(let job, _):
      self.init(.held, error.description, job: job.id)
    case .callbackFailed(let job, _, _):
      self.init(.callbackFailed, error.description, job: job.id)
    case .nobody(let job, _), .noAnswer(let job, _):
      self.init(
        .noWorker, error.description, job: job.id,
        headers: [.retryAfter: String(Self.retryAfter)])
    case .notSuspendable(let job):
      self.init(.notSuspendable, error.description, job: job.id)
    case .store(let error):
      self.init(error)
    }
  }
}
