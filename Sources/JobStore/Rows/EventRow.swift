import Foundation
import GRDB
import Jobs

/// How a transition stands in the log.
enum EventRow {
  private static let select = """
    SELECT sequence, job_id, type, queue, from_status, to_status, at, attempt, worker, reason \
    FROM job_events
    """
  static let selectAfter = "\(select) WHERE sequence > ? ORDER BY sequence LIMIT ?"
  static let selectOfJob = """
    \(select) INDEXED BY job_events_by_job WHERE job_id = ? AND sequence > ?
    ORDER BY sequence LIMIT ?
    """

  /// Appends a transition and numbers it.
  static func append(_ step: TransitionStep, of job: Job, to db: Database) throws -> JobEvent {
    try db.cachedStatement(
      sql: """
        INSERT INTO job_events
          (job_id, type, queue, from_status, to_status, at, attempt, worker, reason)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    ).execute(arguments: [
      job.id.uuid, job.type.description, job.queue.rawValue, step.from?.rawValue, step.to.rawValue,
      job.updatedAt.milliseconds, step.attempt,
      (step.worker?.rawValue).map(JobStatements.storable),
      step.reason.map(JobStatements.storable),
    ])
    return JobEvent(
      sequence: db.lastInsertedRowID, job: job.id, type: job.type, queue: job.queue,
      from: step.from, to: step.to, at: job.updatedAt, attempt: step.attempt, worker: step.worker,
      reason: step.reason)
  }

  /// - Parameter skipped: why rows are left out.
  static func fetchAll(
    _ statement: Statement, _ arguments: StatementArguments, skipped: inout [String]
  ) throws -> [JobEvent] {
    var events: [JobEvent] = []
    let rows = try Row.fetchCursor(statement, arguments: arguments)
    while let row = try rows.next() {
      do {
        events.append(try decode(row))
      } catch let error as StoreError {
        skipped.append("a transition: \(error)")
      } catch let error as RowDecodingError {
        skipped.append("a transition: \(error)")
      }
    }
    return events
  }

  private static func decode(_ row: Row) throws -> JobEvent {
    JobEvent(
      sequence: try row.decode(Int64.self, atIndex: 0),
      job: JobID(try row.decode(UUID.self, atIndex: 1)),
      type: try JobRow.named("type") { try JobTypeID(row.decode(String.self, atIndex: 2)) },
      queue: try JobRow.named("queue") { try JobQueueName(row.decode(String.self, atIndex: 3)) },
      from: try row.decode(String?.self, atIndex: 4).map { try JobRow.known("from_status", $0) },
      to: try JobRow.known("to_status", row.decode(String.self, atIndex: 5)),
      at: Timestamp(milliseconds: try row.decode(Int64.self, atIndex: 6)),
      attempt: try row.decode(Int.self, atIndex: 7),
      worker: try row.decode(String?.self, atIndex: 8).map(WorkerID.init(rawValue:)),
      reason: try row.decode(String?.self, atIndex: 9))
  }
}
