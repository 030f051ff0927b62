import GRDB
public import Jobs

extension StatusStore {
  /// Jobs that have ended and whose producers have not been told: the first `limit`.
  public func pendingReplies(limit: Int) async throws(StoreError) -> [Job] {
    try await read { db in
      let numbers = try Int64.fetchAll(
        db.cachedStatement(sql: PendingReplies.sql), arguments: [max(0, limit)])
      let statements = JobStatements(db)
      return try numbers.compactMap { try statements.job(number: $0)?.job }
    }
  }
}

enum PendingReplies {
  static let sql = """
    SELECT j.number FROM job_payloads p INDEXED BY job_payloads_reply
    CROSS JOIN jobs j ON j.number = p.number
    WHERE p.reply IS NOT NULL AND j.status IN (\(finalStatuses)) LIMIT ?
    """

  private static let finalStatuses = JobStatus.allCases.filter(\.isFinal)
    .map { "'\($0.rawValue)'" }.joined(separator: ", ")
}
