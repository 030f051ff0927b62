public import Jobs

/// Why a call of a ``JobClient`` did not answer as it should.
public enum JobClientError: Error, Hashable, CustomStringConvertible {
  /// The call cannot be made: the server's URL is none, or the params cannot be written as JSON.
  case invalidRequest(String)
  /// The server is not there, or does not answer in time. Whether it has got the request is not known; a job that is
  /// scheduled again with the same idempotency key is still one job.
  case unreachable(server: String, why: String)
  /// The server refused, and says why.
  case problem(Problem)
  /// An answer that no Warren server of this version gives.
  case unexpectedAnswer(server: String, why: String)
  /// The time of a wait has passed; the job, as it was then, goes on.
  case timedOut(Job)
  /// The task was cancelled.
  case cancelled

  public var description: String {
    switch self {
    case .invalidRequest(let why):
      why
    case .unreachable(let server, let why):
      "the server at \(server) cannot be reached: \(why)"
    case .problem(let problem):
      "\(problem.title): \(problem.detail)"
    case .unexpectedAnswer(let server, let why):
      "what answers at \(server) does not answer like a Warren server: \(why)"
    case .timedOut(let job):
      "the job \(job.id) is still \(job.status.rawValue); it goes on"
    case .cancelled:
      "the call was cancelled"
    }
  }
}
