import GRDB
package import Jobs

/// Who reads the transition log for the server itself.
extension SQLiteStore {
  package func place(ofReader name: String) async throws(StoreError) -> Int64? {
    try await read { db in
      try Int64.fetchOne(db.cachedStatement(sql: EventReaders.place), arguments: [name])
    }
  }

  package func moveReader(
    _ name: String, to place: Int64?, inserting jobs: [NewJob], at now: Timestamp
  ) async throws(StoreError) -> [Insertion] {
    let bytes = jobs.reduce(0) { $0 + $1.job.params.sizeBound }
    return try await writes.write(weight: jobs.count + 1, bytes: bytes) { transaction in
      let insertions = try transaction.insert(jobs, at: now)
      if let place {
        try transaction.execute(
          EventReaders.move, [name.databaseValue, place.databaseValue])
      } else {
        try transaction.execute(EventReaders.forget, [name.databaseValue])
      }
      return insertions
    }
  }
}

private enum EventReaders {
  static let place = "SELECT sequence FROM event_reader WHERE name = ?"
  static let move = """
    INSERT INTO event_reader (name, sequence) VALUES (?, ?)
    ON CONFLICT DO UPDATE SET sequence = excluded.sequence
    """
  static let forget = "DELETE FROM event_reader WHERE name = ?"
}
