public import Foundation

/// The wish that a job shall not go on, as it is published where the server may be away.
public struct JobCancellation: Sendable, Hashable {
  /// The most characters of a reason.
  public static let longestReason = 1000

  /// Which job.
  public var job: JobID
  /// Whose job it is; that of another tenant is not there.
  public var tenantID: UUID
  /// Why, for people; it becomes the job's details.
  public var reason: String?

  /// The cancellation of a job.
  public init(job: JobID, tenantID: UUID = .zero, reason: String? = nil) {
    self.job = job
    self.tenantID = tenantID
    self.reason = reason
  }
}
