import Foundation
import Jobs

/// Sets its own retry policy, then fails.
enum RetryJob {
  struct Params: Codable, Sendable {
    var retries = 2
  }

  static func type(_ group: JobGroup, _ trace: Trace) throws -> JobType<Params, NoResult> {
    try JobType(
      group: group, name: "retry", params: Params(), stateUpdate: trace.states()
    ) { (params: Params, context: JobContext) async throws -> Void in
      try trace.note("try \(context.jobID) \(context.assignment.attempt)")
      try await context.setRetryPolicy(
        RetryPolicy(maxRetries: params.retries, delay: .milliseconds(50), backoff: .exponential))
      throw JobFailure()
    }
  }

  private struct JobFailure: Error, CustomStringConvertible {
    let description = "no luck"
  }
}
