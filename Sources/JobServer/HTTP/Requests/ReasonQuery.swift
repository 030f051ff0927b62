import HummingbirdCore
import Jobs

/// Why a client cancels or deletes a job, for people.
struct ReasonQuery: Equatable {
  let reason: String?

  init(_ uri: URI) throws(APIProblem) {
    reason = try QueryParameters(uri, known: ["reason"])["reason"]
    let longest = JobCancellation.longestReason
    if let reason, reason.count > longest {
      throw .parameter("reason", "must have at most \(longest) characters", reason)
    }
  }
}
