/// The callbacks of a job type that a worker calls for the server, besides the one that does the work.
public enum JobCallback: String, Sendable, Hashable, Codable, CaseIterable {
  /// While the job is created, and again when it is resumed.
  case initialize = "init"
  /// Before the job is suspended.
  case suspend
  /// Before the job is resumed.
  case resume
}
