import HTTPTypes
import Hummingbird
import Jobs
import Logging

/// A request that cannot be answered as it wished: thrown by whatever finds that out, and turned into a response by
/// ``ProblemMiddleware``.
struct APIProblem: Error {
  let problem: Problem
  /// What the response carries besides the problem itself.
  var headers: HTTPFields = [:]

  init(
    _ kind: ProblemKind, _ detail: String, knownTypes: [JobTypeID]? = nil, job: JobID? = nil,
    errors: [ParamsViolation]? = nil, headers: HTTPFields = [:]
  ) {
    problem = Problem(
      type: kind.path, title: kind.title, status: kind.status.code, detail: detail,
      knownTypes: knownTypes, jobID: job, errors: errors)
    self.headers = headers
  }

  var status: HTTPResponse.Status { HTTPResponse.Status(code: problem.status) }
}

/// The kinds of problems that the API answers with. The path is the `type` member of the problem (RFC 9457, section
/// 3.1.1): programs tell problems apart by it, so that it never changes.
enum ProblemKind: String, CaseIterable {
  /// A query parameter, a header or a part of the path is not what it has to be.
  case invalidParameter = "invalid-parameter"
  /// The body is no JSON.
  case invalidJSON = "invalid-json"
  /// The body is JSON, but its members are not what they have to be.
  case invalidBody = "invalid-body"
  /// The body did not arrive whole.
  case unreadableBody = "unreadable-body"
  case bodyTooLarge = "body-too-large"
  case unsupportedMediaType = "unsupported-media-type"
  /// Nobody says who asks, or not so that it is believed.
  case unauthenticated
  /// Whoever asks may not do it.
  case forbidden
  case unknownType = "unknown-type"
  /// A page of another origin may not change anything.
  case forbiddenOrigin = "forbidden-origin"
  case unknownWebhook = "unknown-webhook"
  case invalidParams = "invalid-params"
  case notFound = "not-found"
  case methodNotAllowed = "method-not-allowed"
  /// The idempotency key belongs to another job, or to another operation.
  case conflict
  /// Another token that is in use has the name.
  case nameTaken = "name-taken"
  /// The id belongs to a job that has been deleted.
  case deleted
  /// The job's status forbids it now.
  case held
  /// A callback of the job's type has refused what was asked.
  case callbackFailed = "callback-failed"
  /// No worker is there, or answers, to call a callback of the job's type.
  case noWorker = "no-worker"
  /// The job's type has no suspending.
  case notSuspendable = "not-suspendable"
  /// The dead letter would be refused again, or its state forbids it now.
  case deadLetterRefused = "dead-letter-refused"
  /// More is asked for than can be done now.
  case tooManyRequests = "too-many-requests"
  /// The tenant asks more often than it may.
  case rateExceeded = "rate-exceeded"
  /// The tenant has as many jobs as it may.
  case quotaExceeded = "quota-exceeded"
  /// As many requests of the tenant are under way as it may have.
  case concurrencyExceeded = "concurrency-exceeded"
  /// As many streams of events are open as there may be.
  case tooManyStreams = "too-many-streams"
  case storeUnavailable = "store-unavailable"
  case notReady = "not-ready"
  case internalError = "internal-error"

  var path: String { "/problems/\(rawValue)" }

  var status: HTTPResponse.Status {
    switch self {
    case .invalidParameter, .invalidJSON, .invalidBody, .unreadableBody, .callbackFailed:
      .badRequest
    case .unauthenticated: .unauthorized
    case .forbidden, .forbiddenOrigin: .forbidden
    case .notFound: .notFound
    case .methodNotAllowed, .notSuspendable: .methodNotAllowed
    case .conflict, .nameTaken, .deleted, .held, .deadLetterRefused: .conflict
    case .bodyTooLarge: .contentTooLarge
    case .unsupportedMediaType: .unsupportedMediaType
    case .unknownType, .invalidParams, .unknownWebhook: .unprocessableContent
    case .tooManyRequests, .rateExceeded, .quotaExceeded: .tooManyRequests
    case .internalError: .internalServerError
    case .storeUnavailable, .notReady, .noWorker, .concurrencyExceeded, .tooManyStreams:
      .serviceUnavailable
    }
  }

  var title: String {
    switch self {
    case .invalidParameter: "Invalid parameter"
    case .invalidJSON: "The body is no JSON"
    case .invalidBody: "The body is not what it has to be"
    case .unreadableBody: "The body did not arrive whole"
    case .bodyTooLarge: "The body is too large"
    case .unsupportedMediaType: "The body is of another media type"
    case .unauthenticated: "It is not known who asks"
    case .forbidden: "Whoever asks may not do it"
    case .unknownType: "Unknown job type"
    case .forbiddenOrigin: "Not for pages of this origin"
    case .unknownWebhook: "Unknown webhook"
    case .invalidParams: "The params do not fit the job type"
    case .notFound: "Not found"
    case .methodNotAllowed: "Method not allowed"
    case .conflict: "Conflict with what is there"
    case .nameTaken: "The name is taken"
    case .deleted: "The job has been deleted"
    case .held: "The job's status forbids it"
    case .callbackFailed: "The job type's callback refuses"
    case .noWorker: "No worker is there"
    case .notSuspendable: "The job cannot be suspended"
    case .deadLetterRefused: "The dead letter does not allow it"
    case .tooManyRequests: "Too many requests"
    case .rateExceeded: "The tenant asks too often"
    case .quotaExceeded: "The tenant's quota is used up"
    case .concurrencyExceeded: "Too many requests of the tenant at once"
    case .tooManyStreams: "Too many streams"
    case .storeUnavailable: "The status store does not answer"
    case .notReady: "Not ready"
    case .internalError: "Internal error"
    }
  }
}

extension APIProblem {
  /// How long a client shall wait before it asks again, in seconds, when the store does not answer.
  static let retryAfter = 2

  /// What went wrong in the store is for the log, not for the client.
  static let storeUnavailable = APIProblem(
    .storeUnavailable,
    "the status store does not answer now; ask again in \(retryAfter) s (a job that is scheduled"
      + " with an idempotency key is never scheduled twice)",
    headers: [.retryAfter: String(retryAfter)])

  /// How long a client shall wait that finds all streams taken, in seconds.
  static let streamRetryAfter = 10

  /// How long a client shall wait that asks for more than can be written, in seconds.
  static let overloadedRetryAfter = 1

  /// Too much waits to be written.
  static let overloaded = APIProblem(
    .tooManyRequests,
    "too much waits to be written into the status store; ask again in \(overloadedRetryAfter) s (a"
      + " job that is scheduled with an idempotency key is never scheduled twice)",
    headers: [.retryAfter: String(overloadedRetryAfter)])

  /// How long a client shall wait whose tenant has as many jobs waiting as it may, in seconds.
  static let quotaRetryAfter = 10

  init(_ quota: ExceededQuota) {
    let wait = quota.retryAfter.map { max(1, Int($0.seconds.rounded(.up))) } ?? Self.quotaRetryAfter
    self.init(
      .quotaExceeded, "\(quota); ask again in \(wait) s",
      headers: [.retryAfter: String(wait)])
  }

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
    case .invalidParams(_, let params):
      self.init(.invalidParams, error.description, errors: params.violations)
    case .reservedType:
      self.init(.unknownType, error.description)
    case .unknownWebhook:
      self.init(.unknownWebhook, error.description)
    case .invalidContext, .ownAddress, .tooManyWebhooks:
      self.init(.invalidBody, error.description)
    case .conflict(let existing, _):
      self.init(.conflict, error.description, job: existing.id)
    case .unreadable(let id):
      self.init(.conflict, error.description, job: id)
    case .deleted(let id):
      self.init(.deleted, error.description, job: id)
    case .exceeded(let quota):
      self.init(quota)
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

  init(_ error: JobOperationError) {
    switch error {
    case .unknownJob, .unknownWebhook:
      self.init(.notFound, error.description)
    case .held(let job):
      self.init(.held, error.description, job: job.id)
    case .rejected(let job, _), .notRetryable(let job):
      self.init(.held, error.description, job: job.id)
    case .callbackFailed(let job, _, _):
      self.init(.callbackFailed, error.description, job: job.id)
    case .nobody(let job, _), .noAnswer(let job, _):
      self.init(
        .noWorker, error.description, job: job.id,
        headers: [.retryAfter: String(Self.retryAfter)])
    case .notSuspendable(let job):
      // A 405 says what the path takes (RFC 9110, section 15.5.6): for this job nothing.
      self.init(.notSuspendable, error.description, job: job.id, headers: [.allow: ""])
    case .unknownOperation, .unknownDeadLetter:
      self.init(.notFound, error.description)
    case .deadLetterHeld(let letter):
      self.init(.deadLetterRefused, error.description, job: letter.job)
    case .operationConflict:
      self.init(.conflict, error.description)
    case .tooManyOperations:
      self.init(
        .tooManyRequests, error.description,
        headers: [.retryAfter: String(Self.operationsRetryAfter)])
    case .store(let error):
      self.init(error)
    }
  }

  /// How long a client shall wait whose tenant has too many operations, in seconds.
  static let operationsRetryAfter = 30
}

extension APIProblem {
  /// The problem that an error of a route is; `nil` for what nobody foresaw.
  static func known(_ error: any Error) -> APIProblem? {
    switch error {
    case let problem as APIProblem: problem
    case let error as ScheduleError: APIProblem(error)
    case let error as JobOperationError: APIProblem(error)
    default: nil
    }
  }
}

/// Turns every error of a route into a problem (RFC 9457). What nobody foresaw is logged, and tells the client nothing but
/// where to look.
struct ProblemMiddleware<Context: RequestContext>: RouterMiddleware {
  func handle(
    _ request: Request, context: Context,
    next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    do {
      return try await next(request, context)
    } catch {
      let problem = problem(for: error, of: request, logger: context.logger)
      context.logger.debug(
        "A request was refused",
        metadata: ["status": "\(problem.status.code)", "detail": "\(problem.problem.detail)"])
      return try .json(
        problem.problem, status: problem.status, headers: problem.headers,
        contentType: "application/problem+json")
    }
  }

  private func problem(
    for error: any Error, of request: Request, logger: Logger
  ) -> APIProblem {
    switch error {
    case ScheduleError.store(let cause), JobOperationError.store(let cause):
      log(store: cause, of: request, logger)
    default: break
    }
    switch APIProblem.known(error) {
    case let problem?: return problem
    case nil:
      log(error, of: request, logger)
      // Not `context.id`: it takes for granted that the log handler keeps metadata.
      let id = logger[metadataKey: "hb.request.id"].map { ", under the request id \($0)" } ?? ""
      return APIProblem(.internalError, "the server failed to answer; its log says why\(id)")
    }
  }

  private func log(store error: StoreError, of request: Request, _ logger: Logger) {
    switch error {
    // The client is told all that there is to say.
    case .unfit, .overloaded: break
    default: log(error, of: request, logger)
    }
  }

  private func log(_ error: any Error, of request: Request, _ logger: Logger) {
    logger.error(
      "A request failed",
      metadata: [
        "method": "\(request.method.rawValue)", "path": "\(request.uri.path)",
        "error": "\(error)",
      ])
  }
}
