public import JobStore
public import Jobs

/// Why the server cannot do what it was asked.
public enum JobServiceError: Error, Sendable, CustomStringConvertible {
  case unknownJob(JobID)
  /// The job's status forbids it now.
  case held(Job)
  case store(StoreError)

  public var description: String {
    switch self {
    case .unknownJob(let id):
      "there is no job \(id)"
    case .held(let job):
      "job \(job.id) is \(job.status.rawValue) and locked; try later, when it has ended or is suspended"
    case .store(let error):
      "the status store failed: \(error)"
    }
  }
}
