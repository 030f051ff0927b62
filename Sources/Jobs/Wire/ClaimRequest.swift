public import Foundation

/// A worker's wish to run a job that it has a ticket for.
public struct ClaimRequest: Sendable, Hashable, Codable {
  public let job: JobID
  public let worker: WorkerID
  /// Identifies the wish: asking again with the same claim gives the same answer.
  public let claim: UUID

  public init(job: JobID, worker: WorkerID, claim: UUID = UUID()) {
    self.job = job
    self.worker = worker
    self.claim = claim
  }
}
