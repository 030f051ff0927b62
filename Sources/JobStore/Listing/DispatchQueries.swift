/// What the dispatcher asks. The conditions are, word for word, those of the index `jobs_due`.
enum DispatchQueries {
  static let due = """
    \(JobRow.select(index: "jobs_due"))
    WHERE j.status = 'waiting' AND j.ticket_issued = 0 AND j.scheduled_at <= ?
    ORDER BY j.scheduled_at, j.id LIMIT ?
    """

  static let nextDue = """
    SELECT scheduled_at FROM jobs INDEXED BY jobs_due
    WHERE status = 'waiting' AND ticket_issued = 0 AND scheduled_at > ?
    ORDER BY scheduled_at LIMIT 1
    """
}
