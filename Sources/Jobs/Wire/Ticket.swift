/// A work message: "this job may run". It can be duplicated, redelivered or lost without harm.
public struct Ticket: Sendable, Hashable, Codable {
  /// The job that may run.
  public let job: JobID
  /// Its type, so that a worker which cannot run it need not ask.
  public let type: JobTypeID

  /// A ticket; made by the server.
  public init(job: JobID, type: JobTypeID) {
    self.job = job
    self.type = type
  }
}
