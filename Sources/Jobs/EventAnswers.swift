/// What became of one job so far: the answer to `GET /jobs/{id}/history`.
public struct JobHistory: Sendable, Hashable, Codable {
  /// The most transitions of one answer.
  public static let mostEvents = 1000

  /// In their order.
  public let events: [JobEvent]
  /// Where the history goes on, to be asked for with `after`; `nil` at its end.
  public let next: Int64?

  /// A history; what a server answers with.
  public init(events: [JobEvent], next: Int64? = nil) {
    self.events = events
    self.next = next
  }
}

/// How far a job is: what a stream of its events says between its transitions.
public struct JobProgressEvent: Sendable, Hashable, Codable {
  /// Which job.
  public let job: JobID
  /// Its status.
  public let status: JobStatus
  /// The number of the attempt.
  public let attempt: Int
  /// 0 to 100.
  public let progress: Double
  /// What it says of it.
  public let details: String
  /// When the attempt will have ended, if it goes on at its pace.
  public let eta: Timestamp?

  /// The progress of a job as it is.
  public init(of job: Job) {
    self.job = job.id
    status = job.status
    attempt = job.attempt
    progress = job.progress
    details = job.progressDetails
    eta = job.eta
  }

  private enum CodingKeys: String, CodingKey {
    case job, status, attempt, progress, eta
    case details = "progress_details"
  }
}

/// What a reader of transitions can no longer be told, since they are gone with their jobs, which were deleted or pruned.
public struct MissedEvents: Sendable, Hashable, Codable {
  /// Up to which number the reader had read.
  public let after: Int64
  /// The highest number of those that are gone. What is still there of this range follows.
  public let to: Int64
  /// The same, for people.
  public let detail: String

  /// What is missed; what a server says.
  public init(after: Int64, to: Int64, detail: String) {
    self.after = after
    self.to = to
    self.detail = detail
  }
}

/// The last word of the stream of one job's events.
public struct JobEventsEnd: Sendable, Hashable, Codable {
  /// The job's final status; `nil` for a job that has been deleted.
  public let status: JobStatus?

  /// An end; what a server says.
  public init(status: JobStatus?) {
    self.status = status
  }
}

extension JobEvent: JSONWritable {
  package func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.name("at")
      writer.integer(at.milliseconds)
      writer.name("attempt")
      writer.integer(attempt)
      if let from {
        writer.name("from")
        writer.string(from.rawValue)
      }
      writer.name("job")
      writer.string(job.uuid)
      writer.name("queue")
      writer.string(queue.rawValue)
      if let reason {
        writer.name("reason")
        writer.string(reason)
      }
      writer.name("sequence")
      writer.integer(sequence)
      writer.name("to")
      writer.string(to.rawValue)
      writer.name("type")
      writer.string(type.description)
      if let worker {
        writer.name("worker")
        writer.string(worker.rawValue)
      }
    }
  }
}

extension JobHistory: JSONWritable {
  package func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.name("events")
      writer.array(events) { $1.write(to: &$0) }
      if let next {
        writer.name("next")
        writer.integer(next)
      }
    }
  }
}
