public import Foundation

/// A job that was scheduled: what becomes of it is asked here. Cheap to keep, and to throw away.
public struct JobHandle<Params: JobParams>: Sendable {
  /// What was scheduled, and under which key.
  public let receipt: JobReceipt
  private let tenant: UUID
  private let desk: any JobDesk

  /// A handle for a job that was scheduled elsewhere, or earlier.
  ///
  /// - Parameters:
  ///   - receipt: what scheduling has given, or what was kept of that.
  ///   - jobs: who answers.
  public init(_ receipt: JobReceipt, of jobs: some JobScheduling) {
    self.receipt = receipt
    tenant = receipt.tenant ?? jobs.tenant
    desk = jobs.desk
  }

  /// The job's id. Where the key had made a job before, that one has another: ``job()`` tells.
  public var id: JobID { receipt.id }

  /// The key under which it was scheduled. Scheduling the same again with it gives the same job.
  public var key: IdempotencyKey { receipt.key }

  /// The job as it is now.
  ///
  /// - Throws: ``UnknownJob`` when there is none, which may be so for a moment after it was scheduled; ``JobOfOtherType`` when its key has
  ///   made a job of another type before.
  public func job() async throws -> Job {
    if receipt.isKeyed, let job = try await desk.job(key, tenant: tenant) {
      return try checked(job)
    }
    guard let job = try await desk.jobs([id], tenant: tenant).first ?? nil else {
      throw UnknownJob(id: id)
    }
    return try checked(job)
  }

  private func checked(_ job: Job) throws(JobOfOtherType) -> Job {
    guard job.type == Params.job.id else { throw JobOfOtherType(job: job, expected: Params.job.id) }
    return job
  }

  /// The id of the job that there is. The key may have made it before, or somebody else.
  private func knownID() async throws -> JobID {
    guard receipt.isKeyed else { return id }
    return try await desk.id(of: key, tenant: tenant)
  }

  /// Its status now; otherwise as ``job()``.
  public func status() async throws -> JobStatus {
    try await job().status
  }

  /// Waits for the job's end.
  ///
  /// Costs next to nothing while it waits, however long that is: bound it by `limit` or by the task.
  ///
  /// - Parameter limit: how long; `nil` is for as long as it takes.
  /// - Returns: what the job has come to.
  /// - Throws: ``JobNotCompleted`` when it has ended otherwise, ``JobWaitTimeout`` when the time has passed, ``UnknownJob`` when the server
  ///   has not come to know it within two minutes: it may have refused it. Otherwise as ``job()``.
  @discardableResult
  public func result(within limit: Duration? = nil) async throws -> Params.Result {
    let job = try await end(within: limit)
    guard job.status == .completed else { throw JobNotCompleted(job: job) }
    if let none = NoResult() as? Params.Result { return none }
    return try (job.result ?? .null).decode(as: Params.Result.self)
  }

  /// Waits for the job's end, whatever it is; otherwise as ``result(within:)``.
  public func end(within limit: Duration? = nil) async throws -> Job {
    guard let limit else { return try await end() }
    return try await withThrowingTaskGroup(of: Job.self) { group in
      group.addTask { try await end() }
      group.addTask {
        try await Task.sleep(for: limit)
        throw JobWaitTimeout(id: id, limit: limit)
      }
      defer { group.cancelAll() }
      guard let job = try await group.next() else { throw CancellationError() }
      return job
    }
  }

  private func end() async throws -> Job {
    try checked(try await desk.end(of: try await knownID(), tenant: tenant))
  }

  /// How far the job has come: now, and after each change, until it is at rest. What comes faster than it is read is coalesced.
  public var progress: some AsyncSequence<JobProgress, any Error> & Sendable {
    changes.map { job in
      let job = try checked(job)
      return JobProgress(job.progress, job.progressDetails.isEmpty ? nil : job.progressDetails)
    }
  }

  private var changes: AsyncThrowingStream<Job, any Error> {
    guard receipt.isKeyed else { return desk.changes(of: id, tenant: tenant) }
    return AsyncThrowingStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
      let task = Task {
        do {
          let id = try await knownID()
          for try await job in desk.changes(of: id, tenant: tenant) {
            continuation.yield(job)
          }
          continuation.finish()
        } catch {
          continuation.finish(throwing: error)
        }
      }
      continuation.onTermination = { _ in task.cancel() }
    }
  }

  /// Ends the job if it has not ended: one that waits at once, one that runs through its worker. Returns when that is durable.
  ///
  /// - Parameter reason: for people, and for the callback; 1,000 characters at most.
  public func cancel(reason: String? = nil) async throws {
    var cancellation = JobCancellation(job: id, tenantID: tenant, reason: reason)
    if receipt.isKeyed { cancellation.idempotencyKey = key }
    try await desk.cancel([cancellation])
  }
}

/// What is known of a job as soon as it is durable.
public struct JobReceipt: Sendable, Hashable {
  /// The job's id.
  public let id: JobID
  /// The key under which it was scheduled; made of the id where none was given.
  public let key: IdempotencyKey
  /// Whose job it is; that of whoever asks when it is `nil`.
  public let tenant: UUID?

  /// - Parameters:
  ///   - id: the job's.
  ///   - key: made of the id when it is `nil`.
  ///   - tenant: whose job it is; that of whoever asks when it is `nil`.
  public init(id: JobID, key: IdempotencyKey? = nil, tenant: UUID? = nil) {
    self.id = id
    self.key = key ?? IdempotencyKey(uuid: id.uuid)
    self.tenant = tenant
  }

  /// Of a submission with an id.
  package init(_ submission: JobSubmission, id: JobID) {
    self.init(id: id, key: submission.idempotencyKey, tenant: submission.tenantID)
  }

  /// Whether the key may have made a job with another id.
  var isKeyed: Bool { key.uuid != id.uuid }
}

/// A job has ended, and not with a result.
public struct JobNotCompleted: Error, CustomStringConvertible {
  /// The job as it ended: its status, its error.
  public let job: Job

  /// - Parameter job: one that has ended.
  public init(job: Job) {
    self.job = job
  }

  public var description: String {
    let why = job.error ?? (job.details.isEmpty ? nil : job.details)
    return "the job \(job.id) is \(job.status.rawValue)" + (why.map { ": \($0)" } ?? "")
  }
}

/// A job has not ended in time, as far as is known. The wait is over; the job is not touched.
public struct JobWaitTimeout: Error, Hashable, CustomStringConvertible {
  /// Which job.
  public let id: JobID
  /// How long was waited.
  public let limit: Duration

  public var description: String { "the job \(id) is not known to have ended within \(limit)" }
}

/// A key has made a job of another type: what was asked for was refused, and stands among the dead letters.
public struct JobOfOtherType: Error, CustomStringConvertible {
  /// The job that the key has made.
  public let job: Job
  /// The type that was meant.
  public let expected: JobTypeID

  init(job: Job, expected: JobTypeID) {
    self.job = job
    self.expected = expected
  }

  public var description: String {
    "the job \(job.id) is of the type \(job.type), not \(expected); its key was used for both"
  }
}

/// There is no such job: it was not accepted, was deleted, or is not kept any longer.
public struct UnknownJob: Error, Hashable, CustomStringConvertible {
  /// Which job; `nil` when it was asked for by its key.
  public let id: JobID?
  /// The key that has made no job.
  public let key: IdempotencyKey?

  /// - Parameter id: the one that is not there.
  public init(id: JobID) {
    self.id = id
    key = nil
  }

  /// - Parameter key: the one that has made no job.
  public init(key: IdempotencyKey) {
    id = nil
    self.key = key
  }

  public var description: String {
    let what = id.map { "no job \($0)" } ?? "no job of the key \(key?.description ?? "")"
    return
      "there is \(what). If it was scheduled just now, the server may not have read it yet; if it was refused, it stands with the"
      + " reason among the dead letters"
  }
}
