import GRDB
public import Jobs

/// A job that has ended, and whose producers have not all been told.
public struct PendingReply: Sendable, Hashable {
  /// Where it stands among those of its kind.
  public let position: Int64
  public let job: Job
}

extension StatusStore {
  /// Jobs that have ended and whose producers have not been told: the first `limit` after a position.
  public func pendingReplies(
    after position: Int64 = 0, limit: Int
  ) async throws(StoreError) -> [PendingReply] {
    let (pending, damaged) = try await read { db in
      let numbers = try Int64.fetchCursor(
        db.cachedStatement(sql: PendingReplies.sql), arguments: [position, -1])
      let statements = JobStatements(db)
      var pending: [PendingReply] = []
      var found = ReadJobs()
      while pending.count < limit, let number = try numbers.next() {
        let job = try found.add(includesDamaged: true) { try statements.job(number: number) }
        if let job, !job.replies.isEmpty {
          pending.append(PendingReply(position: number, job: job))
        }
      }
      return (pending, found.damaged)
    }
    await setAside(damaged)
    return pending
  }
}

enum PendingReplies {
  static let sql = """
    SELECT p.number FROM job_payloads p INDEXED BY job_payloads_reply
    CROSS JOIN jobs j ON j.number = p.number
    WHERE p.reply IS NOT NULL AND p.number > ? AND j.status IN (\(finalStatuses))
    ORDER BY p.number LIMIT ?
    """

  private static let finalStatuses = JobStatus.allCases.filter(\.isFinal)
    .map { "'\($0.rawValue)'" }.joined(separator: ", ")
}
