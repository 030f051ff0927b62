import HTTPTypes

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
  case unknownType = "unknown-type"
  case invalidParams = "invalid-params"
  case notFound = "not-found"
  case methodNotAllowed = "method-not-allowed"
  /// The idempotency key belongs to another job.
  case conflict
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
  /// More is asked for than can be done now.
  case tooManyRequests = "too-many-requests"
  case storeUnavailable = "store-unavailable"
  case notReady = "not-ready"
  case internalError = "internal-error"

  var path: String { "/problems/\(rawValue)" }

  var status: HTTPResponse.Status {
    switch self {
    case .invalidParameter, .invalidJSON, .invalidBody, .unreadableBody, .callbackFailed:
      .badRequest
    case .notFound: .notFound
    case .methodNotAllowed, .notSuspendable: .methodNotAllowed
    case .conflict, .deleted, .held: .conflict
    case .bodyTooLarge: .contentTooLarge
    case .unsupportedMediaType: .unsupportedMediaType
    case .unknownType, .invalidParams: .unprocessableContent
    case .tooManyRequests: .tooManyRequests
    case .internalError: .internalServerError
    case .storeUnavailable, .notReady, .noWorker: .serviceUnavailable
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
    case .unknownType: "Unknown job type"
    case .invalidParams: "The params do not fit the job type"
    case .notFound: "Not found"
    case .methodNotAllowed: "Method not allowed"
    case .conflict: "Conflict with another job"
    case .deleted: "The job has been deleted"
    case .held: "The job's status forbids it"
    case .callbackFailed: "The job type's callback refuses"
    case .noWorker: "No worker is there"
    case .notSuspendable: "The job cannot be suspended"
    case .tooManyRequests: "Too many requests"
    case .storeUnavailable: "The status store does not answer"
    case .notReady: "Not ready"
    case .internalError: "Internal error"
    }
  }
}
