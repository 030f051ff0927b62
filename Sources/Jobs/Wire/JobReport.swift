package import Foundation

/// What a worker tells of one job.
package struct JobReport: Sendable, Hashable {
  /// What there is to tell.
  package enum Content: Sendable, Hashable {
    case progress(JobProgress)
    /// What is to be kept of what it logs.
    case log(JobLogSet)
    /// What to go on from after a suspension, a retry or the loss of the worker; replaces an earlier one.
    case snapshot(JSONPayload)
    /// What happens after a failure of this job, from now on, and how long an attempt may take, in milliseconds.
    case policy(RetryPolicy, timeout: Int64?)
    case ended(JobOutcome)
  }

  /// Of which job.
  package let job: JobID
  /// Of which of its attempts; an older one than the latest is refused.
  package let attempt: Int
  /// Who tells it.
  package let worker: WorkerID
  /// What it tells.
  package let content: Content

  /// A report; made by the worker that runs the attempt.
  package init(job: JobID, attempt: Int, worker: WorkerID, content: Content) {
    self.job = job
    self.attempt = attempt
    self.worker = worker
    self.content = content
  }
}

extension JobReport {
  /// At most how many bytes it has in a message.
  package var sizeBound: Int {
    let envelope = 512
    return switch content {
    case .progress(let progress):
      envelope + (progress.details?.utf8.count ?? 0)
    case .log(let set): envelope + set.bytes + 64 * set.lines.count
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
    case .failed(let text, _), .retryAfter(let text, _, _), .timedOut(let text), .skipped(let text):
      text.utf8.count
    case .snoozed(_, let reason): reason?.utf8.count ?? 0
    case .canceled, .returned: 0
    }
  }
}

/// How one attempt to run a job ended, as its worker saw it. What becomes of the job is the lifecycle's decision.
package enum JobOutcome: Sendable, Hashable {
  case completed(result: JSONPayload?)
  /// The callback threw; `permanent` forbids a retry.
  case failed(error: String, permanent: Bool)
  /// The callback threw, and said when to run again; where that is counted, it uses up a retry.
  case retryAfter(error: String, delay: Duration, counted: Bool)
  /// It was too early for the callback: the job is run again after this time. That is no failure and no retry.
  case snoozed(Duration, reason: String?)
  /// The attempt outran its time-out and was stopped.
  case timedOut(error: String)
  case skipped(reason: String)
  /// The callback ended because it was told to.
  case canceled
  /// The worker gives the job back unfinished, because it is being stopped: this is no failure and no retry.
  case returned
}

/// How much of a job is kept, in bytes of JSON. What a worker lets through, and what a configuration may ask for, agree with
/// these.
public enum JobLimits {
  /// Of a result.
  public static let result = 1 << 20
  /// Of a snapshot.
  public static let snapshot = 1 << 20
}

/// What travels through the queue of reports.
package enum WorkerMessage: Sendable, Hashable {
  case announcement(WorkerAnnouncement)
  case reports([JobReport])
  /// The worker ends, and has given back what it had.
  case farewell(WorkerID)
  /// The server's own mark: when it comes back to the server, all reports laid in before it have been applied.
  case mark(UUID)
}
