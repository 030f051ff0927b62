import HTTPTypes
import Hummingbird
import Jobs
import Logging

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
    case let problem as APIProblem:
      return problem
    case let error as ScheduleError:
      if case .store(let cause) = error { log(store: cause, of: request, logger) }
      return APIProblem(error)
    case let error as JobServiceError:
      if case .store(let cause) = error { log(store: cause, of: request, logger) }
      return APIProblem(error)
    default:
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
