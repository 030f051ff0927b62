public import Foundation

/// What can be done to many jobs at once.
public enum BulkAction: String, Sendable, Hashable, Codable, CaseIterable {
  case cancel
  /// Each again, as a new job.
  case retry
  case delete
  case suspend
  case resume

  /// The statuses in which a job can have it done; jobs in others are not meant.
  public var statuses: Set<JobStatus> {
    switch self {
    case .cancel: [.initializing, .waiting, .resuming, .running, .suspending, .locked, .suspended]
    case .retry: Job.retryable
    case .delete: Set(JobStatus.allCases.filter(\.isDeletable))
    case .suspend: [.initializing, .waiting, .running, .locked]
    case .resume: [.suspended]
    }
  }
}

/// Which jobs are meant, within a tenant. What is left out excludes nothing.
public struct BulkFilter: Sendable, Hashable {
  /// Jobs in one of these; in any that the action takes when it is empty.
  public var statuses: Set<JobStatus>
  /// Jobs of this type only.
  public var type: JobTypeID?
  /// Jobs of this queue only.
  public var queue: JobQueueName?
  /// Jobs that were accepted then or later.
  public var createdAfter: Timestamp?
  /// Jobs that were accepted earlier than that.
  public var createdBefore: Timestamp?

  /// A filter; what is left out excludes nothing.
  public init(
    statuses: Set<JobStatus> = [], type: JobTypeID? = nil, queue: JobQueueName? = nil,
    createdAfter: Timestamp? = nil, createdBefore: Timestamp? = nil
  ) {
    self.statuses = statuses
    self.type = type
    self.queue = queue
    self.createdAfter = createdAfter
    self.createdBefore = createdBefore
  }

  /// Whether it excludes nothing.
  public var isEmpty: Bool { self == BulkFilter() }

  package func isCreated(at time: Timestamp) -> Bool {
    (createdAfter.map { $0 <= time } ?? true) && (createdBefore.map { time < $0 } ?? true)
  }
}

/// What is to be done, to which jobs.
public struct BulkRequest: Sendable, Hashable, Codable {
  /// What is done to each.
  public var action: BulkAction
  /// To which.
  public var filter: BulkFilter
  /// Why, for people: it becomes the details of canceled jobs.
  public var reason: String?
  /// The most jobs in a second; `nil` is as fast as leaves time to others.
  public var rate: Double?

  /// A request.
  public init(
    action: BulkAction, filter: BulkFilter, reason: String? = nil, rate: Double? = nil
  ) {
    self.action = action
    self.filter = filter
    self.reason = reason
    self.rate = rate
  }

  /// The statuses of the jobs that are meant.
  package var statuses: Set<JobStatus> {
    filter.statuses.isEmpty ? action.statuses : filter.statuses.intersection(action.statuses)
  }

  /// Whether a job is meant, as it is now.
  package func matches(_ job: Job) -> Bool {
    statuses.contains(job.status) && (filter.type == nil || filter.type == job.type)
      && (filter.queue == nil || filter.queue == job.queue)
      && filter.isCreated(at: job.createdAt)
  }
}

/// Something that is done to many jobs, a few at a time: it outlives the server that does it.
public struct BulkOperation: Sendable, Hashable {
  /// Where it is in its life.
  public enum Status: String, Sendable, Hashable, Codable, CaseIterable {
    case running
    /// Each job has been looked at.
    case completed
    /// It was stopped; what it had done stays done.
    case canceled
  }

  /// One job to which it could not be done.
  public struct Failure: Sendable, Hashable, Codable {
    /// Which job.
    public let job: JobID
    /// Why.
    public let error: String

    package init(job: JobID, error: String) {
      self.job = job
      self.error = error
    }
  }

  /// How many failures are kept, the first ones.
  public static let mostFailures = 20
  /// The longest error that is kept, in characters.
  package static let longestError = 500

  /// Its own id.
  public let id: UUID
  /// Whose it is, and whose jobs are meant.
  public let tenantID: UUID
  /// What was asked for.
  public let request: BulkRequest
  /// Where it is in its life.
  public package(set) var status = Status.running
  /// How many jobs were meant when it began.
  public let matching: Int
  /// How many have had it done.
  public package(set) var done = 0
  /// How many had moved on when their turn came, or do not allow it.
  public package(set) var skipped = 0
  /// How many failed with it, each with an error.
  public package(set) var failed = 0
  /// Some of those.
  public package(set) var failures: [Failure] = []
  /// When it was asked for.
  public let createdAt: Timestamp
  /// When it came further last.
  public package(set) var updatedAt: Timestamp
  /// When it ended.
  public package(set) var endedAt: Timestamp?

  /// Two requests with the same key are one operation. Not part of the JSON form.
  package let key: UUID?
  /// The number of the last job that was looked at. Not part of the JSON form.
  package var position: Int64 = 0
  /// The number of the newest job that is meant: what came later is not. Not part of the JSON form.
  package let last: Int64

  package init(
    id: UUID = .version7(), tenantID: UUID, request: BulkRequest, key: UUID? = nil,
    survey: BulkSurvey, createdAt: Timestamp
  ) {
    self.id = id
    self.tenantID = tenantID
    self.request = request
    self.key = key
    matching = survey.matching
    last = survey.last
    self.createdAt = createdAt
    updatedAt = createdAt
  }

  /// How far it had come: for whoever reads it from where it was kept.
  package mutating func restore(
    status: Status, done: Int, skipped: Int, failed: Int, failures: [Failure], position: Int64,
    updatedAt: Timestamp, endedAt: Timestamp?
  ) {
    self.status = status
    self.done = done
    self.skipped = skipped
    self.failed = failed
    self.failures = failures
    self.position = position
    self.updatedAt = updatedAt
    self.endedAt = endedAt
  }

  /// Notes what has become of the next jobs.
  package mutating func note(
    _ outcomes: [BulkOutcome], to position: Int64, isLast: Bool, at now: Timestamp
  ) {
    for outcome in outcomes {
      switch outcome {
      case .done: done += 1
      case .skipped: skipped += 1
      case .failed(let job, let error):
        failed += 1
        guard failures.count < Self.mostFailures else { continue }
        failures.append(Failure(job: job, error: String(error.prefix(Self.longestError))))
      }
    }
    self.position = max(self.position, position)
    updatedAt = max(now, updatedAt)
    if isLast { end(.completed) }
  }

  /// Stops it, unless it has ended.
  ///
  /// - Returns: whether that changes anything.
  package mutating func cancel(at now: Timestamp) -> Bool {
    guard status == .running else { return false }
    updatedAt = max(now, updatedAt)
    end(.canceled)
    return true
  }

  private mutating func end(_ status: Status) {
    self.status = status
    endedAt = updatedAt
  }
}

/// What has become of one job of an operation.
package enum BulkOutcome: Sendable, Hashable {
  case done
  case skipped
  case failed(JobID, String)
}
