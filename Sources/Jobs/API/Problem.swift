/// Why a request was not done as it wished (RFC 9457).
public struct Problem: Error, Sendable, Hashable, Codable {
  /// Identifies the kind of problem: a path such as `/problems/unknown-type`.
  public let type: String
  /// The kind of problem, for people.
  public let title: String
  /// The HTTP status.
  public let status: Int
  /// What was wrong this time, and what would be right.
  public let detail: String
  /// The job types that exist, where one was named that does not.
  public let knownTypes: [JobTypeID]?
  /// The job that stands in the way.
  public let jobID: JobID?

  /// A problem; what a server answers with.
  public init(
    type: String, title: String, status: Int, detail: String, knownTypes: [JobTypeID]? = nil,
    jobID: JobID? = nil
  ) {
    self.type = type
    self.title = title
    self.status = status
    self.detail = detail
    self.knownTypes = knownTypes
    self.jobID = jobID
  }

  private enum CodingKeys: String, CodingKey {
    case type, title, status, detail
    case knownTypes = "known_types"
    case jobID = "job_id"
  }
}
