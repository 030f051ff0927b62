package import Foundation

/// A worker's wish for jobs of a queue: it holds so many tickets, each of which is a right to ask for one job.
package struct ClaimRequest: Sendable, Hashable {
  /// How many jobs may be asked for at once.
  package static let counts = 1...1000

  /// Who wants to run them.
  package let worker: WorkerID
  /// Of its registration; one that the store does not know gets nothing.
  package let epoch: Int64
  /// Identifies the wish: asking again with the same claim gives the same jobs.
  package let claim: UUID
  /// Whether it was asked before, so that it may have been answered.
  package let isRepeated: Bool
  /// Of which queue.
  package let queue: JobQueueName
  /// At most how many.
  package let count: Int
  /// What the worker can run.
  package let types: [JobTypeID]

  /// - Parameters:
  ///   - claim: the same when it is asked again.
  ///   - count: taken to the nearest one in ``counts``.
  package init(
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
  package var repeated: ClaimRequest {
    ClaimRequest(
      worker: worker, epoch: epoch, claim: claim, isRepeated: true, queue: queue, count: count,
      types: types)
  }
}

/// The answer to a claim.
package struct ClaimAnswer: Sendable, Hashable {
  /// What the worker does with the tickets for which it got no job.
  package enum Rest: String, Sendable, Hashable {
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
  package let jobs: [JobAssignment]
  /// What becomes of the other tickets.
  package let rest: Rest

  package init(jobs: [JobAssignment], rest: Rest) {
    self.jobs = jobs
    self.rest = rest
  }
}

/// All that a worker needs in order to run one attempt of a job.
package struct JobAssignment: Sendable, Hashable, Codable {
  /// Which job.
  package let job: JobID
  /// What kind of job it is.
  package let type: JobTypeID
  /// Which attempt this is, from 1. Reports of an older attempt are refused.
  package let attempt: Int
  /// How many failures went before.
  package let retries: Int
  /// After how many failures it is run again.
  package let maxRetries: Int
  /// Whose job it is.
  package let tenant: UUID
  /// Who scheduled it.
  package let user: UUID
  /// An object, with the type's defaults filled in.
  package let params: JSONPayload
  /// How long the attempt may take, in milliseconds; 0 is without limit.
  package let timeoutMilliseconds: Int64
  /// What an earlier attempt has saved.
  package let snapshot: JSONPayload?
  /// What came with the job besides its params: see ``CarriedContext``.
  package let context: [String: String]
  /// When the job was accepted.
  package let createdAt: Timestamp
  /// When it was due: what has passed between that and the attempt's start, it has waited.
  package let scheduledAt: Timestamp

  /// An assignment; made by the server, and by tests of a callback.
  ///
  /// - Parameter scheduledAt: when the job was due; when it was accepted, if it is `nil`.
  package init(
    job: JobID, type: JobTypeID, attempt: Int, retries: Int = 0, maxRetries: Int = 0,
    tenant: UUID = .zero, user: UUID = .zero, params: JSONPayload = [:], timeout: Duration = .zero,
    snapshot: JSONPayload? = nil, context: [String: String] = [:], createdAt: Timestamp = .now,
    scheduledAt: Timestamp? = nil
  ) {
    self.job = job
    self.type = type
    self.attempt = attempt
    self.retries = retries
    self.maxRetries = maxRetries
    self.tenant = tenant
    self.user = user
    self.params = params
    self.timeoutMilliseconds = timeout.milliseconds
    self.snapshot = snapshot
    self.context = context
    self.createdAt = createdAt
    self.scheduledAt = scheduledAt ?? createdAt
  }

  /// About how many bytes it has in a message, and not less.
  package var sizeBound: Int {
    1024 + payloadSize
  }
}

extension JobAssignment {
  /// About how many bytes of it are the job's own: params, snapshot and context.
  package var payloadSize: Int {
    params.bytes.count + (snapshot?.bytes.count ?? 0) + CarriedContext.size(context)
  }
}

/// A running job's wish to be marked as locked by another one, or as unlocked.
package struct LockRequest: Sendable, Hashable, Codable {
  /// The job to be locked or unlocked.
  package let job: JobID
  /// The attempt that asks; an older one than the latest is refused.
  package let attempt: Int
  /// Who runs it.
  package let worker: WorkerID
  /// The job that it waits for; `nil` unlocks.
  package let by: JobID?

  /// A request; made by the worker that runs the attempt.
  package init(job: JobID, attempt: Int, worker: WorkerID, by: JobID?) {
    self.job = job
    self.attempt = attempt
    self.worker = worker
    self.by = by
  }
}

/// The answer to a ``LockRequest``.
package enum LockAnswer: Sendable, Hashable, Codable {
  case done
  case refused(LockError)
}

/// Why a job cannot be locked by another one, or unlocked.
public enum LockError: Error, Sendable, Hashable, Codable, CustomStringConvertible {
  /// The jobs would wait for each other: the chain, from the one that was to be locked back to itself.
  case cycle([JobID])
  /// There is no such job, or it is another tenant's.
  case unknown(JobID)
  /// The other job has ended: there is nothing to wait for.
  case ended(JobID, JobStatus)
  /// Its status forbids it.
  case status(JobStatus)
  /// The attempt is no longer the job's.
  case fenced

  public var description: String {
    switch self {
    case .cycle(let chain):
      chain.count == 2
        ? "job \(chain[0]) cannot be locked by itself"
        : "the jobs would wait for each other: "
          + chain.map(\.description).joined(separator: " is locked by ")
    case .unknown(let job): "there is no job \(job) to be locked by"
    case .ended(let job, let status):
      "job \(job) is \(status.rawValue): there is nothing to wait for"
    case .status(let status): "a job that is \(status.rawValue) can be neither locked nor unlocked"
    case .fenced: "another attempt has the job now"
    }
  }
}
