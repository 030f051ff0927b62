public import Foundation

/// A job, as the status store holds it. It changes only by the functions of the lifecycle.
public struct Job: Sendable, Hashable {
  public let id: JobID
  public let tenantID: UUID
  public let userID: UUID
  public let idempotencyKey: UUID
  public let type: JobTypeID
  public let queue: JobQueueName
  /// With every default filled in.
  public let params: JSONValue
  /// How long one execution may take; zero is without limit.
  public package(set) var timeout: Duration
  public package(set) var retry: RetryPolicy
  public let createdAt: Timestamp

  public package(set) var status: JobStatus
  /// Not before this time does it run; a retry moves it.
  public package(set) var scheduledAt: Timestamp
  public package(set) var updatedAt: Timestamp
  public package(set) var startedAt: Timestamp?
  /// When it will probably end, judged by its progress.
  public package(set) var eta: Timestamp?
  public package(set) var lockedBy: JobID?
  /// 0 to 100.
  public package(set) var progress: Double = 0
  public package(set) var progressDetails = ""
  /// What else is to be said of its status: why it was skipped, why it waits again.
  public package(set) var details = ""
  /// How many failures were followed by another attempt.
  public package(set) var retries = 0
  public package(set) var error: String?
  public package(set) var result: JSONValue?

  /// What the job has saved in order to go on from there another time; forgotten at its end. Not part of the JSON form.
  public package(set) var snapshot: JSONValue?

  /// Who is to be told of its end, and has not been yet. Not part of the JSON form.
  public package(set) var reply: JobReply?

  /// The newest attempt's number; 0 before the first.
  public package(set) var attempt = 0
  /// The worker that has it, or had it last.
  public package(set) var worker: WorkerID?
  /// Which claim of that worker's was granted, so that asking again gives the same answer.
  public package(set) var claim: UUID?
  /// How many workers ended while they had it.
  public package(set) var lostWorkers = 0
  /// Whether the broker has confirmed a ticket for the wait that it is in now.
  public package(set) var ticketIssued = false

  /// A new job, waiting.
  public init(
    id: JobID, tenantID: UUID, userID: UUID, idempotencyKey: UUID, type: JobTypeID,
    queue: JobQueueName, params: JSONValue, timeout: Duration, retry: RetryPolicy,
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
    self.createdAt = createdAt
    self.status = .waiting
    self.scheduledAt = scheduledAt
    self.updatedAt = createdAt
  }
}
