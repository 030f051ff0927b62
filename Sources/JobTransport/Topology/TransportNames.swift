public import Jobs

/// What the exchanges and queues are called that jobs travel through.
public struct TransportNames: Sendable, Hashable {
  /// What every name starts with; the direct exchange of the tickets is called just this.
  public let prefix: String

  /// - Throws: ``NameError`` when the prefix is no ``JobName``.
  public init(prefix: String = "jobs") throws(NameError) {
    self.prefix = try JobName.validate(prefix, of: "prefix")
  }

  /// Direct exchange: tickets, by the name of the job queue.
  public var work: String { prefix }
  /// Fanout exchange and quorum queue: job messages from producers.
  public var submit: String { "\(prefix).submit" }
  /// Fanout exchange and quorum queue: what could not be accepted.
  public var dead: String { "\(prefix).dead" }
  /// Classic queue: claims of workers.
  public var claims: String { "\(prefix).claims" }
  /// Quorum queue: reports of workers.
  public var reports: String { "\(prefix).reports" }
  /// Quorum queue: reports of workers that are newer than the server, kept for a server that knows them.
  public var unknownReports: String { "\(prefix).reports.unknown" }
  /// Direct exchange: commands to workers, by the worker's id, or ``everyWorker``.
  public var control: String { "\(prefix).control" }
  /// Topic exchange: every transition, by `<status>.<queue>.<group>.<type>`.
  public var events: String { "\(prefix).events" }
  /// The routing key of a command to all workers.
  public let everyWorker = "*"

  /// Whether a name is, or may become, one of these. Nobody else's answers are to be sent there.
  public func isOwn(_ name: String) -> Bool { name == prefix || name.hasPrefix("\(prefix).") }

  /// The queue that holds the tickets of a job queue.
  public func queue(_ name: JobQueueName) -> String { "\(prefix).\(name)" }
  /// The control queue of one worker.
  public func worker(_ id: WorkerID) -> String { "\(prefix).worker.\(id)" }

  /// The queue with one worker's lease.
  public func lease(_ id: WorkerID) -> String { "\(prefix).lease.\(id)" }

  /// The routing key of an event.
  public func eventKey(_ event: JobEvent) -> String {
    "\(event.to.rawValue).\(event.queue).\(event.type.group).\(event.type.name)"
  }
}
