/// A work message: "this job may run". It can be duplicated, redelivered or lost without harm.
public struct Ticket: Sendable, Hashable, Codable {
  public let job: JobID
  public let type: JobTypeID

  public init(job: JobID, type: JobTypeID) {
    self.job = job
    self.type = type
  }
}
