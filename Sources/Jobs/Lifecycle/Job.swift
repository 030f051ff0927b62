public import Foundation

/// A job, as the status store holds it. It changes only by the functions of the lifecycle.
public struct Job: Sendable, Hashable {
  /// The job's own id; UUIDs of version 7, which sort by their time, where the server made it.
  public let id: JobID
  /// Whose job it is: nobody else sees it.
  public let tenantID: UUID
  /// Who scheduled it.
  public let userID: UUID
  /// Within one tenant, submissions with the same key are this job.
  public let idempotencyKey: UUID
  /// What kind of job it is.
  public let type: JobTypeID
  /// The queue of its type's group when it was scheduled.
  public let queue: JobQueueName
  /// With every default filled in.
  public let params: JSONValue
  /// How long one execution may take; zero is without limit.
  public package(set) var timeout: Duration
  /// What happens after a failure.
  public package(set) var retry: RetryPolicy
  /// 0 to 9: of the jobs of a queue that are due, those with the higher one run first.
  public let priority: Int
  /// What its callback is told besides the params: see ``CarriedContext``.
  public let context: [String: String]
  /// When it was accepted.
  public let createdAt: Timestamp
  /// The job that this one does again, if there is one.
  public package(set) var retryOf: JobID?
  /// The webhook endpoints that are told of its end besides those that are told of its type.
  public package(set) var webhooks: [String] = []

  /// Where it is in its life.
  public package(set) var status: JobStatus
  /// Not before this time does it run; a retry moves it.
  public package(set) var scheduledAt: Timestamp
  /// When anything of it changed last.
  public package(set) var updatedAt: Timestamp
  /// When its first attempt began.
  public package(set) var startedAt: Timestamp?
  /// When its newest attempt began.
  public package(set) var attemptStartedAt: Timestamp?
  /// When the attempt that runs will have ended, by its progress, and by its timeout at the latest.
  public package(set) var eta: Timestamp?
  /// The job that it waits for while it is locked.
  public package(set) var lockedBy: JobID?
  /// 0 to 100.
  public package(set) var progress: Double = 0
  /// What is being done, for people.
  public package(set) var progressDetails = ""
  /// What else is to be said of its status: why it was skipped, why it waits again.
  public package(set) var details = ""
  /// How many failures were followed by another attempt.
  public package(set) var retries = 0
  /// Of the last attempt that failed.
  public package(set) var error: String?
  /// What a completed job has come to.
  public package(set) var result: JSONValue?

  /// What the job has saved in order to go on from there another time; forgotten at its end. Not part of the JSON form.
  package var snapshot: JSONValue?

  /// Who is to be told of its end, and has not been yet. Not part of the JSON form.
  package var replies: [JobReply] = []

  /// The newest attempt's number; 0 before the first.
  public package(set) var attempt = 0
  /// The worker that has it, or had it last.
  public package(set) var worker: WorkerID?
  /// Which claim of that worker's was granted, so that asking again gives the same answer.
  package var claim: UUID?
  /// How many workers ended while they had it.
  public package(set) var lostWorkers = 0
  /// Whether it was asked for a second time while it was being initialized. Not part of the JSON form.
  package var isShared = false
  /// What the lifecycle's functions have made of its status, until whoever keeps the job takes it.
  package private(set) var changes: [StatusChange] = []

  /// A new job, waiting.
  package init(
    id: JobID, tenantID: UUID, userID: UUID, idempotencyKey: UUID, type: JobTypeID,
    queue: JobQueueName, params: JSONValue, timeout: Duration, retry: RetryPolicy,
    priority: Int = JobPriority.standard, context: [String: String] = [:],
    scheduledAt: Timestamp, createdAt: Timestamp
  ) {
    self.id = id
    self.tenantID = tenantID
    self.userID = userID
    self.idempotencyKey = idempotencyKey
    self.type = type
    self.queue = queue
    self.params = params
    self.timeout = timeout
    self.retry = retry
    self.priority = JobPriority.clamped(priority)
    self.context = context
    self.createdAt = createdAt
    self.status = .waiting
    self.scheduledAt = scheduledAt
    self.updatedAt = createdAt
  }

  /// Gives the job another status, and notes the change.
  mutating func move(to next: JobStatus, at now: Timestamp) {
    assert(status.successors.contains(next), "\(status) -> \(next)")
    changes.append(StatusChange(from: status, to: next, attempt: attempt, worker: worker))
    status = next
    updatedAt = max(now, updatedAt)
    if next.isFinal {
      lockedBy = nil
      eta = nil
      snapshot = nil
    }
  }

  /// The changes of its status since they were taken last, in their order. The last one says why.
  package mutating func takeChanges() -> [StatusChange] {
    guard let last = changes.indices.last else { return [] }
    changes[last].reason = changeReason
    defer { changes = [] }
    return changes
  }

  private var changeReason: String? {
    switch status {
    case .failed, .timedOut: error
    default: details.isEmpty ? nil : details
    }
  }

  /// What the log says of the job's creation.
  package var creation: StatusChange {
    StatusChange(from: nil, to: status, attempt: attempt, worker: worker, reason: changeReason)
  }
}

/// One change of a job's status.
package struct StatusChange: Sendable, Hashable {
  /// `nil` when the job was created with it.
  package let from: JobStatus?
  package let to: JobStatus
  package let attempt: Int
  package let worker: WorkerID?
  package var reason: String?

  package init(
    from: JobStatus?, to: JobStatus, attempt: Int, worker: WorkerID?, reason: String? = nil
  ) {
    self.from = from
    self.to = to
    self.attempt = attempt
    self.worker = worker
    self.reason = reason
  }
}

/// What priorities there are.
public enum JobPriority {
  /// Higher ones first.
  public static let range = 0...9
  /// Of a job whose type says nothing.
  public static let standard = 0

  /// The nearest one in range.
  public static func clamped(_ priority: Int) -> Int {
    min(max(priority, range.lowerBound), range.upperBound)
  }
}
