/// What somebody may do by way of the HTTP API. Each role may do what those before it may.
public enum APIRole: String, Sendable, Hashable, Codable, CaseIterable, Comparable {
  /// See the jobs of its tenant.
  case read
  /// Schedule, cancel, suspend, resume and retry jobs too.
  case write
  /// Delete jobs, do things to many at once, and look after the broker and its workers too.
  case operate
  /// Give and revoke tokens, and read the audit log too.
  case admin

  public static func < (left: APIRole, right: APIRole) -> Bool { left.rank < right.rank }

  private var rank: Int {
    switch self {
    case .read: 0
    case .write: 1
    case .operate: 2
    case .admin: 3
    }
  }
}
