public import Foundation

/// All that a worker needs in order to run one attempt of a job.
public struct JobAssignment: Sendable, Hashable, Codable {
  /// Which job.
  public let job: JobID
  /// What kind of job it is.
  public let type: JobTypeID
  /// Which attempt this is, from 1. Reports of an older attempt are refused.
  public let attempt: Int
  /// How many failures went before.
  public let retries: Int
  /// After how many failures it is run again.
  public let maxRetries: Int
  /// Whose job it is.
  public let tenant: UUID
  /// Who scheduled it.
  public let user: UUID
  /// An object, with the type's defaults filled in.
  public let params: JSONPayload
  /// How long the attempt may take, in milliseconds; 0 is without limit.
  public let timeoutMilliseconds: Int64
  /// What an earlier attempt has saved.
  public let snapshot: JSONPayload?

  /// An assignment; made by the server, and by tests of a callback.
  public init(
    job: JobID, type: JobTypeID, attempt: Int, retries: Int = 0, maxRetries: Int = 0,
    tenant: UUID = .zero, user: UUID = .zero, params: JSONPayload = [:], timeout: Duration = .zero,
    snapshot: JSONPayload? = nil
  ) {
    self.job = job
    self.type = type
    self.attempt = attempt
    self.retries = retries
    self.maxRetries = maxRetries
    self.tenant = tenant
    self.user = user
    self.params = params
    self.timeoutMilliseconds = timeout.milliseconds
    self.snapshot = snapshot
  }

  /// About how many bytes it has in a message, and not less.
  public var sizeBound: Int {
    1024 + params.bytes.count + (snapshot?.bytes.count ?? 0)
  }
}
