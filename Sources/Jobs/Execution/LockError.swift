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
