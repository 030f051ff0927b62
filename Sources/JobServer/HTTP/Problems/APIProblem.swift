import HTTPTypes
import Jobs

/// A request that cannot be answered as it wished: thrown by whatever finds that out, and turned into a response by
/// ``ProblemMiddleware``.
struct APIProblem: Error {
  let problem: Problem
  /// What the response carries besides the problem itself.
  var headers: HTTPFields = [:]

  init(
    _ kind: ProblemKind, _ detail: String, knownTypes: [JobTypeID]? = nil, job: JobID? = nil,
    headers: HTTPFields = [:]
  ) {
    problem = Problem(
      type: kind.path, title: kind.title, status: kind.status.code, detail: detail,
      knownTypes: knownTypes, jobID: job)
    self.headers = headers
  }

  var status: HTTPResponse.Status { HTTPResponse.Status(code: problem.status) }
}
