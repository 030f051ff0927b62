/// The answer to a claim.
public enum ClaimAnswer: Sendable, Hashable, Codable {
  case run(JobAssignment)
  /// The ticket is void.
  case drop(ClaimRefusal)
  /// It could not be found out now whether the job's holder is alive: keep the ticket and ask again.
  case askAgain
}
