import Foundation
import GRDB
public import Jobs

/// An attempt that a worker has, as far as the store knows.
public struct HeldAttempt: Sendable, Hashable {
  /// Which attempt of which job.
  public let attempt: RunningAttempt
  /// Who has it.
  public let worker: WorkerID
  /// Whether its worker was told to end it.
  public let isEnding: Bool
}

extension StatusStore {
  /// The attempts of which nothing has been heard since a time, by the job's id: the first `limit` after the given one.
  /// Reads all that is held, which is at most as many jobs as there are slots in workers, and nothing of what they carry.
  public func heldSilently(
    since time: Timestamp, after id: JobID?, limit: Int
  ) async throws(StoreError) -> [HeldAttempt] {
    try await read { db in
      let rows = try Row.fetchCursor(
        db.cachedStatement(sql: HeldQueries.silent),
        arguments: [time.milliseconds, (id ?? JobID(.zero)).uuid, max(0, limit)])
      var attempts: [HeldAttempt] = []
      while let row = try rows.next() {
        let status = try row.decode(String.self, atIndex: 3)
        attempts.append(
          HeldAttempt(
            attempt: RunningAttempt(
              job: JobID(try row.decode(UUID.self, atIndex: 0)),
              attempt: try row.decode(Int.self, atIndex: 1)),
            worker: WorkerID(rawValue: try row.decode(String.self, atIndex: 2)),
            isEnding: status == JobStatus.canceling.rawValue
              || status == JobStatus.suspending.rawValue))
      }
      return attempts
    }
  }
}

enum HeldQueries {
  static let silent = """
    SELECT id, attempt, worker, status FROM jobs INDEXED BY jobs_held
    WHERE status IN (\(JobCounts.heldStatuses)) AND worker IS NOT NULL
      AND updated_at <= ? AND id > ?
    ORDER BY id LIMIT ?
    """
}
