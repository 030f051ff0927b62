/// What a worker tells of one job.
public struct JobReport: Sendable, Hashable {
  /// What there is to tell.
  public enum Content: Sendable, Hashable {
    case progress(JobProgress)
    /// What to go on from after a suspension, a retry or the loss of the worker; replaces an earlier one.
    case snapshot(JSONPayload)
    /// What happens after a failure of this job, from now on, and how long an attempt may take, in milliseconds.
    case policy(RetryPolicy, timeout: Int64?)
    case ended(JobOutcome)
  }

  /// Of which job.
  public let job: JobID
  /// Of which of its attempts; an older one than the latest is refused.
  public let attempt: Int
  /// Who tells it.
  public let worker: WorkerID
  /// What it tells.
  public let content: Content

  /// A report; made by the worker that runs the attempt.
  public init(job: JobID, attempt: Int, worker: WorkerID, content: Content) {
    self.job = job
    self.attempt = attempt
    self.worker = worker
    self.content = content
  }
}

extension JobReport {
  /// At most how many bytes it has in a message.
  public var sizeBound: Int {
    let envelope = 512
    return switch content {
    case .progress(let progress):
      envelope + (progress.details?.utf8.count ?? 0)
    case .snapshot(let snapshot): envelope + snapshot.bytes.count
    case .policy: envelope
    case .ended(let outcome): envelope + outcome.sizeBound
    }
  }
}

extension JobOutcome {
  fileprivate var sizeBound: Int {
    switch self {
    case .completed(let result): result?.bytes.count ?? 0
    case .failed(let text, _), .timedOut(let text), .skipped(let text):
      text.utf8.count
    case .canceled, .returned: 0
    }
  }
}
