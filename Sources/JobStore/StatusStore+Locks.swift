import GRDB
public import Jobs

extension StatusStore {
  /// Locks running jobs by others, or unlocks them, in the order of the requests. Refused where jobs would wait for each
  /// other, over chains of any length. A lock goes by itself when the job that it waits for ends or is deleted.
  public func lock(
    _ requests: [LockRequest], at now: Timestamp
  ) async throws(StoreError) -> [LockAnswer] {
    guard !requests.isEmpty else { return [] }
    return try await writes.write(weight: requests.count) { scope in
      try requests.map { try scope.lock($0, at: now) }
    }
  }
}
