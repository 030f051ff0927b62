public import Foundation
public import Logging

/// What a callback knows of its job and can tell about it. Safe to hand to child tasks.
public struct JobContext: Sendable {
  /// The attempt that is running: its number, its raw params, whose job it is.
  package let assignment: JobAssignment
  /// The queue that the job was taken from; `nil` where no attempt is made, as in `prepare`.
  public let queue: JobQueueName?
  private let base: Logger
  /// How what the callback tells is passed on.
  package var link: JobLink

  /// Made by whoever runs jobs; in tests, by `WarrenTesting`.
  package init(
    assignment: JobAssignment, queue: JobQueueName? = nil, logger: Logger,
    link: JobLink = JobLink()
  ) {
    self.assignment = assignment
    self.queue = queue
    base = logger
    self.link = link
  }

  /// A logger whose lines carry the job's id, type, attempt and trace, where it has one, and of which lines of level `info` and above are kept with the
  /// job as well (``JobLog``). It is made each time: most jobs log nothing.
  public var logger: Logger {
    var logger = base
    logger[metadataKey: "job"] = "\(assignment.job)"
    logger[metadataKey: "type"] = "\(assignment.type)"
    logger[metadataKey: "attempt"] = "\(assignment.attempt)"
    if let trace = CarriedContext.traceID(of: assignment.context) {
      logger[metadataKey: "trace"] = "\(trace)"
    }
    if let keep = link.log { logger.handler = JobLogHandler(logger.handler, keep: keep) }
    return logger
  }

  /// Keeps a line with the job, and logs it nowhere else.
  package func keep(_ line: String, level: Logger.Level) {
    link.log?(JobLogSet.Line(time: .now, level: level, text: line))
  }

  /// The job that is running.
  public var jobID: JobID { assignment.job }

  /// What kind of job it is.
  public var type: JobTypeID { assignment.type }

  /// Which attempt this is, from 1.
  public var attempt: Int { assignment.attempt }

  /// How many failures went before.
  public var retries: Int { assignment.retries }

  /// Whose job it is.
  public var tenant: UUID { assignment.tenant }

  /// Who scheduled it.
  public var user: UUID { assignment.user }

  /// What came with the job besides its params: a trace context, the id of a request (``CarriedContext``).
  public var context: [String: String] { assignment.context }

  /// When the job was accepted.
  public var createdAt: Timestamp { assignment.createdAt }

  /// When the job was due: what has passed between that and now, it has waited.
  public var scheduledAt: Timestamp { assignment.scheduledAt }

  /// Why the callback was told to end, in whatever of its tasks that is asked; `nil` for as long as it was not. Of several
  /// reasons it is the one that decides what becomes of the job.
  public var cancelReason: CancelReason? { link.cancelReason() }

  /// Reports progress. Cheap: what is reported faster than it is stored is coalesced, and the last value always lands.
  ///
  /// - Parameters:
  ///   - percent: 0 to 100; what is out of range is taken to the nearest one in range, and what is no number leaves the
  ///     percentage as it is.
  ///   - details: what is being done, for people; `nil` leaves what was said before.
  public func progress(_ percent: Double, _ details: String? = nil) {
    report(JobProgress(percent, details))
  }

  /// The same, for whoever has the two as one.
  package func report(_ progress: JobProgress) {
    link.progress(progress)
  }

  /// Says that the work goes on, where there is no progress to be reported: a type with a stall time-out ends an attempt that
  /// says nothing for that long. Reporting progress and saving a snapshot say it as well. It costs next to nothing.
  public func heartbeat() {
    link.heartbeat()
  }

  /// Ends the job as `skipped`: there was nothing to do. To be used as `throw context.skip("…")`.
  public func skip(_ reason: String) -> JobSkip {
    JobSkip(reason: reason)
  }

  /// Saves what the job needs in order to go on from here: after it was suspended, has failed and is run again, or has lost
  /// its worker. Replaces what was saved before. When this returns it is durable.
  ///
  /// - Throws: ``SnapshotError`` when it is too large or cannot be written as JSON; `CancellationError` when the attempt is
  ///   no longer the job's.
  public func saveSnapshot(_ snapshot: some Encodable) async throws {
    let value: JSONPayload
    do {
      value = try JSONPayload(encoding: snapshot)
    } catch {
      throw SnapshotError.notEncodable(error.description)
    }
    try await link.snapshot(value)
  }

  /// What was saved last, by this attempt's predecessors; `nil` when there is nothing.
  ///
  /// - Throws: ``SnapshotError/notDecodable(_:)`` when it is something else.
  public func loadSnapshot<Snapshot: Decodable>(
    as type: Snapshot.Type = Snapshot.self
  ) throws(SnapshotError) -> Snapshot? {
    guard let snapshot = assignment.snapshot else { return nil }
    link.loaded()
    do {
      return try snapshot.decode(as: type)
    } catch {
      throw .notDecodable("\(error)")
    }
  }

  /// Sets what happens after a failure of this job, from now on (reference: `SetRetryPolicy`).
  ///
  /// - Parameters:
  ///   - policy: instead of the one that it has.
  ///   - timeout: how long later attempts may take; `nil` leaves it, zero is without limit.
  public func setRetryPolicy(_ policy: RetryPolicy, timeout: Duration? = nil) async throws {
    try await link.policy(policy, timeout)
  }

  /// Marks the job as locked by another one, for which it waits. It keeps its slot; when the other one ends, the mark goes
  /// by itself (reference: `SetLockedBy`).
  ///
  /// - Throws: ``LockError`` when that would make jobs wait for each other, or there is nothing to wait for.
  public func setLocked(by other: JobID) async throws {
    try await link.lock(other)
  }

  /// Takes the mark away again (reference: `SetUnlocked`).
  public func setUnlocked() async throws {
    try await link.lock(nil)
  }
}

/// How a running callback reaches whoever keeps its job: the worker, and through it the server.
package struct JobLink: Sendable {
  /// Takes progress; returns at once.
  package var progress: @Sendable (JobProgress) -> Void
  /// Keeps a line of the log; returns at once. With `nil` nothing is kept.
  package var log: (@Sendable (JobLogSet.Line) -> Void)?
  /// Keeps a snapshot; returns when it is durable.
  package var snapshot: @Sendable (JSONPayload) async throws -> Void
  /// Keeps a retry policy, and a time-out for later attempts; returns when they are durable.
  package var policy: @Sendable (RetryPolicy, Duration?) async throws -> Void
  /// Locks the job by another one, or unlocks it with `nil`; returns when the server has decided.
  package var lock: @Sendable (JobID?) async throws -> Void
  /// Notes that the work goes on; returns at once.
  package var heartbeat: @Sendable () -> Void
  /// Why the attempt was told to end; `nil` when it was not.
  package var cancelReason: @Sendable () -> CancelReason?
  /// Schedules what the callback schedules; it cannot when it is `nil`.
  package var scheduling: (any JobScheduling)?
  /// The id of a child that is scheduled without a key, from what is scheduled.
  package var childID: @Sendable (String) -> JobID = { _ in JobID() }
  /// Notes that the callback goes on from the snapshot that it was given.
  package var loaded: @Sendable () -> Void = {}

  /// What is left out does nothing, which is enough for tests of a callback.
  package init(
    progress: @escaping @Sendable (JobProgress) -> Void = { _ in },
    log: (@Sendable (JobLogSet.Line) -> Void)? = nil,
    snapshot: @escaping @Sendable (JSONPayload) async throws -> Void = { _ in },
    policy: @escaping @Sendable (RetryPolicy, Duration?) async throws -> Void = { _, _ in },
    lock: @escaping @Sendable (JobID?) async throws -> Void = { _ in },
    heartbeat: @escaping @Sendable () -> Void = {},
    cancelReason: @escaping @Sendable () -> CancelReason? = { nil }
  ) {
    self.progress = progress
    self.log = log
    self.snapshot = snapshot
    self.policy = policy
    self.lock = lock
    self.heartbeat = heartbeat
    self.cancelReason = cancelReason
  }
}

/// How far a job has come.
public struct JobProgress: Sendable, Hashable {
  /// 0 to 100; `nil` leaves what was said before.
  public let percent: Double?
  /// What is being done, for people; `nil` leaves what was said before.
  public let details: String?

  /// - Parameters:
  ///   - percent: taken to the nearest one from 0 to 100; what is no number is none.
  ///   - details: what is being done, for people.
  public init(_ percent: Double?, _ details: String? = nil) {
    self.percent = percent.flatMap { $0.isNaN ? nil : min(max(0, $0), 100) }
    self.details = details
  }

  /// Whether it says nothing.
  package var isEmpty: Bool { percent == nil && details == nil }

  /// With what it leaves as it was.
  package func keeping(_ earlier: JobProgress?) -> JobProgress {
    JobProgress(percent ?? earlier?.percent, details ?? earlier?.details)
  }
}

/// What a state-update callback is told: the facts that a job's change may have changed.
public struct JobState: Sendable, Hashable {
  /// Which job.
  public let job: JobID
  /// The status that it has now.
  public let status: JobStatus
  /// 0 to 100.
  public let progress: Double
  /// What is being done, for people; the last that was said.
  public let details: String?
  /// Why it failed, or was skipped.
  public let error: String?

  /// A state; made by the worker, and by tests of a callback.
  public init(
    job: JobID, status: JobStatus, progress: Double, details: String? = nil, error: String? = nil
  ) {
    self.job = job
    self.status = status
    self.progress = progress
    self.details = details
    self.error = error
  }
}

/// Why a snapshot cannot be saved or read.
public enum SnapshotError: Error, Sendable, Hashable, CustomStringConvertible {
  case notEncodable(String)
  case notDecodable(String)
  /// In bytes of JSON.
  case tooLarge(Int, limit: Int)

  public var description: String {
    switch self {
    case .notEncodable(let why): "the snapshot cannot be written as JSON: \(why)"
    case .notDecodable(let why): "the snapshot is another one than is asked for: \(why)"
    case .tooLarge(let size, let limit):
      "the snapshot has \(size) bytes as JSON; a job's snapshot may have \(limit)"
    }
  }
}
