import Foundation
import GRDB
public import Jobs

extension StatusStore {
  /// The transitions of all jobs that come after the given number, in order.
  public func events(after sequence: Int64, limit: Int) async throws(StoreError) -> [JobEvent] {
    try await read { db in
      try EventRow.fetchAll(
        db.cachedStatement(sql: EventRow.selectAfter),
        [sequence, max(0, limit)])
    }
  }

  /// The transitions of one job that come after the given number, in order; a deleted job's as well.
  public func events(
    of job: JobID, after sequence: Int64 = 0, limit: Int = 1000
  ) async throws(StoreError) -> [JobEvent] {
    try await read { db in
      try EventRow.fetchAll(
        db.cachedStatement(sql: EventRow.selectOfJob),
        [job.uuid, sequence, max(0, limit)])
    }
  }
}
