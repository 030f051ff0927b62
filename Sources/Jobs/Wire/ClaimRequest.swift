public import Foundation

/// A worker's wish for jobs of a queue: it holds so many tickets, each of which is a right to ask for one job.
public struct ClaimRequest: Sendable, Hashable {
  /// How many jobs may be asked for at once.
  public static let counts = 1...1000

  /// Who wants to run them.
  public let worker: WorkerID
  /// Of its registration; one that the store does not know gets nothing.
  public let epoch: Int64
  /// Identifies the wish: asking again with the same claim gives the same jobs.
  public let claim: UUID
  /// Whether it was asked before, so that it may have been answered.
  public let isRepeated: Bool
  /// Of which queue.
  public let queue: JobQueueName
  /// At most how many.
  public let count: Int
  /// What the worker can run.
  public let types: [JobTypeID]

  /// - Parameters:
  ///   - claim: the same when it is asked again.
  ///   - count: taken to the nearest one in ``counts``.
  public init(
    worker: WorkerID, epoch: Int64, claim: UUID = UUID(), isRepeated: Bool = false,
    queue: JobQueueName, count: Int, types: [JobTypeID]
  ) {
    self.worker = worker
    self.epoch = epoch
    self.claim = claim
    self.isRepeated = isRepeated
    self.queue = queue
    self.count = min(max(count, Self.counts.lowerBound), Self.counts.upperBound)
    self.types = types
  }

  /// The same, asked once more.
  public var repeated: ClaimRequest {
    ClaimRequest(
      worker: worker, epoch: epoch, claim: claim, isRepeated: true, queue: queue, count: count,
      types: types)
  }
}

/// The answer to a claim.
public struct ClaimAnswer: Sendable, Hashable {
  /// What the worker does with the tickets for which it got no job.
  public enum Rest: String, Sendable, Hashable {
    /// Nothing is due: they are void.
    case void
    /// Jobs are due, but none that this worker can run: it gives the tickets back, and takes none of this queue until it
    /// is told that there is something for it.
    case park
    /// More is due than the answer could hold: ask again.
    case again
    /// The store does not know the worker under this epoch, and nothing was given: announce yourself, then ask again.
    case unregistered
  }

  /// The jobs that are the worker's now, in the order in which they are to be run: at most as many as it asked for.
  public let jobs: [JobAssignment]
  /// What becomes of the other tickets.
  public let rest: Rest

  public init(jobs: [JobAssignment], rest: Rest) {
    self.jobs = jobs
    self.rest = rest
  }
}
