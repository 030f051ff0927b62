public import Jobs

/// Why the server cannot do what it was asked.
public enum JobServiceError: Error, Sendable, CustomStringConvertible {
  case unknownJob(JobID)
  /// The job's status forbids it now.
  case held(Job)
  /// The status that was wished for cannot follow the job's.
  case rejected(Job, StatusTransitionError)
  /// The job's type has no suspending.
  case notSuspendable(Job)
  /// The callback that belongs to what was asked has thrown; the job is as it was.
  case callbackFailed(Job, JobCallback, String)
  /// No worker of the job's type is there to call the callback.
  case nobody(Job, JobCallback)
  /// A worker was to call the callback, and did not answer.
  case noAnswer(Job, JobCallback)
  case store(StoreError)

  public var description: String {
    switch self {
    case .unknownJob(let id):
      "there is no job \(id)"
    case .held(let job):
      "job \(job.id) is \(job.status.rawValue), and cannot be deleted now; try later, when it has ended or is suspended"
    case .rejected(let job, let error):
      "job \(job.id): \(error)"
    case .notSuspendable(let job):
      "jobs of the type \(job.type) cannot be suspended; the type would have to be declared as suspendable"
    case .callbackFailed(let job, let callback, let message):
      "the \(callback.rawValue) callback of \(job.type) has failed, and job \(job.id) is as it was: \(message)"
    case .nobody(let job, let callback):
      "no worker of \(job.type) is there to call its \(callback.rawValue) callback"
    case .noAnswer(let job, let callback):
      "the worker that was to call the \(callback.rawValue) callback of \(job.type) did not answer"
    case .store(let error):
      "the status store failed: \(error)"
    }
  }
}
