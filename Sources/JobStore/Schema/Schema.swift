import GRDB

/// The migrations, in the order in which they are applied. A published one is never changed; what is to be different
/// gets a new one.
enum Schema {
  /// Marks a SQLite file as a store of Warren's: "WARN" in ASCII (PRAGMA application_id).
  static let applicationID: Int64 = 0x5741_524E

  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("jobs", migrate: JobTables.create)
    migrator.registerMigration("catalog", migrate: CatalogTables.create)
    migrator.registerMigration("snapshots", migrate: JobTables.addSnapshots)
    migrator.registerMigration("locks", migrate: JobTables.addLocks)
    migrator.registerMigration("replies", migrate: JobTables.addReplies)
    migrator.registerMigration("attempt starts", migrate: JobTables.addAttemptStart)
    migrator.registerMigration("submitted", migrate: JobTables.addSubmitted)
    return migrator
  }
}
