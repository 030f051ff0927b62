import GRDB

/// The catalog: what is known of queues, groups and types, so that it survives a restart of the server.
enum CatalogTables {
  static func create(_ db: Database) throws {
    try db.execute(
      sql: """
        CREATE TABLE catalog_queues (
          name TEXT NOT NULL PRIMARY KEY,
          capacity INTEGER NOT NULL CHECK (capacity > 0)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE catalog_groups (
          name TEXT NOT NULL PRIMARY KEY,
          queue TEXT NOT NULL,
          description TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;

        -- The description is the JSON form that workers announce; it may be large, so this one has a rowid.
        CREATE TABLE catalog_types (
          id TEXT NOT NULL PRIMARY KEY,
          description TEXT NOT NULL
        ) STRICT;
        """)
  }
}
