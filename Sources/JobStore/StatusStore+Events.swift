import Foundation
import GRDB
public import Jobs

extension StatusStore {
  /// The transitions of all jobs that come after the given number, in order.
  public func events(after sequence: Int64, limit: Int) async throws(StoreError) -> [JobEvent] {
    try await events(EventRow.selectAfter, [sequence, max(0, limit)])
  }

  /// The transitions of one job that come after the given number, in order; a deleted job's as well.
  public func events(
    of job: JobID, after sequence: Int64 = 0, limit: Int = 1000
  ) async throws(StoreError) -> [JobEvent] {
    try await events(EventRow.selectOfJob, [job.uuid, sequence, max(0, limit)])
  }

  private func events(
    _ sql: String, _ arguments: StatementArguments
  ) async throws(StoreError) -> [JobEvent] {
    let (events, skipped) = try await read { db in
      var skipped: [String] = []
      let events = try EventRow.fetchAll(
        db.cachedStatement(sql: sql), arguments, skipped: &skipped)
      return (events, skipped)
    }
    noteSkipped(skipped)
    return events
  }
}
