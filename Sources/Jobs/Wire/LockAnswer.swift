/// The answer to a ``LockRequest``.
public enum LockAnswer: Sendable, Hashable, Codable {
  case done
  case refused(LockError)
}
