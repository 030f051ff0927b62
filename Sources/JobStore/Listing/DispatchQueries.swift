import GRDB
import Jobs

/// What the dispatcher asks. The conditions are, word for word, those of the index `jobs_due`.
enum DispatchQueries {
  /// - Parameter excluded: how many queues are left out.
  static func due(except excluded: Int) -> String {
    """
    \(JobRow.select(index: "jobs_due"))
    WHERE j.status = 'waiting' AND j.ticket_issued = 0 AND j.scheduled_at <= ?\(exclusion(excluded, "j.queue"))
    ORDER BY j.scheduled_at, j.id LIMIT ?
    """
  }

  static func nextDue(except excluded: Int) -> String {
    """
    SELECT scheduled_at FROM jobs INDEXED BY jobs_due
    WHERE status = 'waiting' AND ticket_issued = 0 AND scheduled_at > ?\(exclusion(excluded, "queue"))
    ORDER BY scheduled_at LIMIT 1
    """
  }

  private static func exclusion(_ count: Int, _ column: String) -> String {
    guard count > 0 else { return "" }
    return " AND \(column) NOT IN (" + repeatElement("?", count: count).joined(separator: ", ")
      + ")"
  }

  static func arguments(_ queues: Set<JobQueueName>) -> StatementArguments {
    StatementArguments(queues.map(\.rawValue).sorted())
  }
}
