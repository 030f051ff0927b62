public import Logging

/// What a callback knows of its job and can tell about it. Safe to hand to child tasks.
public struct JobContext: Sendable {
  /// What the worker is told by the running callback.
  public typealias ProgressSink = @Sendable (JobProgress) -> Void

  public let assignment: JobAssignment
  /// A logger whose lines carry the job's id, type and attempt.
  public let logger: Logger
  private let progressSink: ProgressSink

  /// Made by whoever runs jobs; tests of a callback make one too.
  public init(
    assignment: JobAssignment, logger: Logger, progress: @escaping ProgressSink = { _ in }
  ) {
    self.assignment = assignment
    var logger = logger
    logger[metadataKey: "job"] = "\(assignment.job)"
    logger[metadataKey: "type"] = "\(assignment.type)"
    logger[metadataKey: "attempt"] = "\(assignment.attempt)"
    self.logger = logger
    self.progressSink = progress
  }

  public var jobID: JobID { assignment.job }

  /// Reports progress. Cheap: what is reported faster than it is stored is coalesced, and the last value always lands.
  ///
  /// - Parameters:
  ///   - percent: 0 to 100; more is taken as 100.
  ///   - details: what is being done, for people.
  /// - Throws: ``ProgressError`` when `percent` is negative or no number.
  public func progress(_ percent: Double, _ details: String? = nil) throws(ProgressError) {
    progressSink(try JobProgress(percent, details))
  }

  /// Ends the job as `skipped`: there was nothing to do. To be used as `throw context.skip("…")`.
  public func skip(_ reason: String) -> JobSkip {
    JobSkip(reason: reason)
  }
}
