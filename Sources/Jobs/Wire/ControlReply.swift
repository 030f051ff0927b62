/// A worker's answer to a ``ControlCommand`` that asks for one.
public enum ControlReply: Sendable, Hashable, Codable {
  /// It runs the job, is about to, or has reported how it ended.
  case has
  case hasNot
  /// The callback has returned.
  case done
  /// The callback has thrown, or did not return in time.
  case failed(String)
  /// The worker has no such callback.
  case unknownCallback
}
