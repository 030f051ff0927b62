public import Logging

/// What has become of a job under test, with everything that it has said on its way.
public struct JobRecord: Sendable {
  /// The job as it is stored: its params, its retries, its times.
  public let job: Job
  /// Every progress that its callback has reported, in order. In production what comes fast is coalesced.
  public let progress: [JobProgress]
  /// Every snapshot that was saved, in order.
  public let snapshots: [JSONPayload]
  /// What its callback has logged by `job.logger`, at every level, in order.
  public let log: [RecordedLine]
  /// The changes of its status, from its creation.
  public let transitions: [JobEvent]
  /// Jobs that its callback has scheduled, in order.
  public let children: [JobID]
  /// How many tickets were found void because the job was claimed already: see ``JobFault/deliverTwice``.
  public let voidTickets: Int

  /// Which job.
  public var id: JobID { job.id }
  /// Where it is in its life.
  public var status: JobStatus { job.status }
  /// The error of the last attempt that failed; `nil` for a job that has completed.
  public var error: String? { job.error }
  /// What else is to be said of its status: why it was skipped, canceled, or waits again.
  public var details: String { job.details }
  /// How many times its callback was begun.
  public var attempts: Int { job.attempt }
  /// The statuses that it has gone through, from its creation.
  public var statuses: [JobStatus] { transitions.map(\.to) }
  /// How much of the tester's time has passed from its creation to its last change.
  public var duration: Duration { job.updatedAt - job.createdAt }
}

/// A ``JobRecord`` with its params and its result in their types.
@dynamicMemberLookup
public struct JobRun<Params: JobParams>: Sendable {
  /// All that is known of the job.
  public let record: JobRecord
  /// As its callback got them, with the defaults filled in.
  public let params: Params
  /// What it has come to; `nil` unless it has completed.
  public let result: Params.Result?

  init(_ record: JobRecord) throws(JobTesterError) {
    self.record = record
    do {
      params = try record.job.params.decode(as: Params.self)
    } catch {
      throw .unexpectedValue(record.id, "its params are no \(Params.self): \(error)")
    }
    do {
      if record.status != .completed {
        result = nil
      } else if let none = NoResult() as? Params.Result {
        result = none
      } else {
        result = try (record.job.result ?? .null).decode(as: Params.Result.self)
      }
    } catch {
      throw .unexpectedValue(record.id, "its result is no \(Params.Result.self): \(error)")
    }
  }

  public subscript<Value>(dynamicMember member: KeyPath<JobRecord, Value>) -> Value {
    record[keyPath: member]
  }
}

/// A job that was scheduled under test: what its producer has said.
public struct ScheduledRun<Params: JobParams>: Sendable {
  /// With the type's defaults filled in.
  public let params: Params
  /// The job as it is now: its key, its priority, its time-out, when it is due.
  public let job: Job
  /// The job whose callback has scheduled it.
  public let parent: JobID?

  /// Which job.
  public var id: JobID { job.id }
  /// How long after it was scheduled it was, or is, due.
  public var delay: Duration { job.scheduledAt - job.createdAt }
}

/// A line of a job's log.
public struct RecordedLine: Sendable {
  /// How important it is.
  public let level: Logger.Level
  /// What it says.
  public let message: String
  /// What goes with it.
  public let metadata: Logger.Metadata
}
