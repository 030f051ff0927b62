import GRDB
import Jobs

/// The proof that the store takes writes: a row that is written for nothing else.
enum StoreHealth {
  static func touch(_ db: Database) throws {
    try db.cachedStatement(
      sql: "INSERT INTO store_health (only, checked_at) VALUES (1, ?)"
        + " ON CONFLICT DO UPDATE SET checked_at = excluded.checked_at"
    ).execute(arguments: [Timestamp.now.milliseconds])
  }
}
