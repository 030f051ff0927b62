public import Logging

/// What a callback knows of its job and can tell about it. Safe to hand to child tasks.
public struct JobContext: Sendable {
  /// The attempt that is running: its number, its raw params, whose job it is.
  public let assignment: JobAssignment
  private let base: Logger
  private let link: JobLink

  /// Made by whoever runs jobs; tests of a callback make one too.
  public init(assignment: JobAssignment, logger: Logger, link: JobLink = JobLink()) {
    self.assignment = assignment
    base = logger
    self.link = link
  }

  /// A logger whose lines carry the job's id, type and attempt. It is made each time: most jobs log nothing.
  public var logger: Logger {
    var logger = base
    logger[metadataKey: "job"] = "\(assignment.job)"
    logger[metadataKey: "type"] = "\(assignment.type)"
    logger[metadataKey: "attempt"] = "\(assignment.attempt)"
    return logger
  }

  /// The job that is running.
  public var jobID: JobID { assignment.job }

  /// Reports progress. Cheap: what is reported faster than it is stored is coalesced, and the last value always lands.
  ///
  /// - Parameters:
  ///   - percent: 0 to 100; more is taken as 100.
  ///   - details: what is being done, for people.
  /// - Throws: ``ProgressError`` when `percent` is negative or no number.
  public func progress(_ percent: Double, _ details: String? = nil) throws(ProgressError) {
    link.progress(try JobProgress(percent, details))
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
    do {
      return try snapshot.decode(as: type)
    } catch {
      throw .notDecodable("\(error)")
    }
  }

  /// Sets what happens after a failure of this job, from now on (reference: `SetRetryPolicy`).
  ///
  /// - Parameter timeout: how long later attempts may take; `nil` leaves it, zero is without limit.
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
