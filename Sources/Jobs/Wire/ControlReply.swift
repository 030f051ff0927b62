/// A worker's answer to a ``ControlCommand`` that asks for one.
public enum ControlReply: Sendable, Hashable, Codable {
  /// What the worker knows of each attempt that it was asked about, in their order.
  case attempts([AttemptState])
  /// The callback has returned.
  case done
  /// The callback has thrown, or did not return in time.
  case failed(String)
  /// The worker has no such callback.
  case unknownCallback
}

/// What a worker knows of one attempt.
public enum AttemptState: String, Sendable, Hashable, Codable {
  /// It runs the attempt, or is about to.
  case running
  /// It has reported how the attempt ended, and can report it again.
  case reported
  /// It does not run it, and does not remember how it ended.
  case unknown
}
