public import Foundation

/// A worker's wish to run a job that it has a ticket for.
public struct ClaimRequest: Sendable, Hashable, Codable {
  /// What is to be run.
  public let job: JobID
  /// Who wants to.
  public let worker: WorkerID
  /// Identifies the wish: asking again with the same claim gives the same answer.
  public let claim: UUID

  /// - Parameter claim: the same when it is asked again.
  public init(job: JobID, worker: WorkerID, claim: UUID = UUID()) {
    self.job = job
    self.worker = worker
    self.claim = claim
  }
}
