/// A worker's answer to a ``ControlCommand`` that asks for one.
public enum ControlReply: Sendable, Hashable, Codable {
  /// It runs the job, is about to, or has reported how it ended.
  case has
  case hasNot
}
