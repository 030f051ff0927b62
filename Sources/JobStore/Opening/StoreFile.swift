import Foundation
import GRDB
package import Jobs

/// A store's file, opened: checked, migrated and locked against other stores.
struct StoreFile: Sendable {
  let path: String
  let pool: DatabasePool
  private let lock: FileLock

  /// How long a write waits for another program that has the file locked (a backup, a `sqlite3` shell).
  private static let busyTimeout: TimeInterval = 5
  /// The writer's page cache, in KiB: holds the upper levels of all indexes at a million jobs.
  private static let cacheSize = 40 * 1024
  /// Pages in the write-ahead log before SQLite copies them home: a commit of few jobs touches a page of each index, so
  /// SQLite's 1,000 would make every thirtieth commit a slow one.
  private static let checkpointPages = 4000

  /// The bytes of a SQLite file's header (SQLite's file format, section 1.3).
  private static let headerSize = 100

  init(path: String, options: StoreOptions) throws(StoreFileError) {
    // Two names of one file must find the same lock.
    let resolved = URL(fileURLWithPath: path).resolvingSymlinksInPath()
    self.path = resolved.path
    try Self.checkFolder(of: resolved)
    lock = try FileLock(forDatabase: resolved.path)
    try Self.check(resolved.path)
    pool = try Self.open(resolved.path, options: options)
  }

  /// Closes the file when the work that is under way is done, then lets others have it.
  func close() throws(StoreError) {
    try translatingErrors { try pool.close() }
    lock.release()
  }

  private static func checkFolder(of file: URL) throws(StoreFileError) {
    var isFolder = ObjCBool(false)
    let folder = file.deletingLastPathComponent().path
    guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue
    else {
      throw .cannotOpen(path: file.path, why: "there is no folder \(folder)")
    }
    guard
      !FileManager.default.fileExists(atPath: file.path, isDirectory: &isFolder)
        || !isFolder.boolValue
    else {
      throw .cannotOpen(path: file.path, why: "it is a folder")
    }
  }

  /// Looks at the file before anything in it is changed: another program's file, or a newer Warren's, is left as it is.
  private static func check(_ path: String) throws(StoreFileError) {
    do {
      // SQLite takes a file that is shorter than its header for an empty one, and writes over it.
      let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
      if let size, (1..<headerSize).contains(size) { throw StoreFileError.notADatabase(path: path) }
      var configuration = Configuration()
      configuration.busyMode = .timeout(busyTimeout)
      configuration.label = "warren.store.check"
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      defer { try? queue.close() }
      try queue.inDatabase { db in
        guard try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") != 0 else { return }
        guard
          try Int64.fetchOne(db, sql: "PRAGMA application_id") == Schema.applicationID
        else { throw StoreFileError.foreignFile(path: path) }
        let migrator = Schema.migrator
        if try Schema.isEarlier(db) { throw StoreFileError.earlierFile(path: path) }
        guard try !migrator.hasBeenSuperseded(db) else {
          throw StoreFileError.newerFile(
            path: path, found: try migrator.appliedIdentifiers(db).sorted(),
            known: migrator.migrations)
        }
      }
    } catch {
      throw opening(path, error)
    }
  }

  private static func open(_ path: String, options: StoreOptions) throws(StoreFileError)
    -> DatabasePool
  {
    do {
      var configuration = Configuration()
      configuration.busyMode = .timeout(busyTimeout)
      configuration.label = "warren.store"
      let pool = try DatabasePool(path: path, configuration: configuration)
      try pool.writeWithoutTransaction { db in
        // GRDB sets NORMAL, with which a power cut may take back the last commits: those that were acknowledged.
        try db.execute(sql: "PRAGMA synchronous = FULL")
        try db.execute(sql: "PRAGMA cache_size = -\(cacheSize)")
        try db.execute(sql: "PRAGMA wal_autocheckpoint = \(checkpointPages)")
        if let pages = options.maximumPages {
          try db.execute(sql: "PRAGMA max_page_count = \(pages)")
        }
      }
      try Schema.migrator.migrate(pool)
      // A file that cannot be written is often found only by writing.
      try pool.write { db in
        try db.execute(sql: Health.touch, arguments: [Timestamp.now.milliseconds])
      }
      return pool
    } catch {
      throw opening(path, error)
    }
  }

  private static func opening(_ path: String, _ error: any Error) -> StoreFileError {
    switch error {
    case DatabaseError.SQLITE_NOTADB: .notADatabase(path: path)
    case let error as DatabaseError where error.resultCode == .SQLITE_CANTOPEN:
      .cannotOpen(path: path, why: error.message ?? "SQLite cannot open it")
    case let error as StoreFileError: error
    default: .store(StoreError(error))
    }
  }
}

/// The proof that the store takes writes: a row that is written for nothing else.
enum Health {
  static let touch = """
    INSERT INTO store_health (only, checked_at) VALUES (1, ?)
    ON CONFLICT DO UPDATE SET checked_at = excluded.checked_at
    """
}

/// How a store works, where tests want it otherwise.
package struct StoreOptions: Sendable {
  /// About how many jobs one transaction may touch; a single call may touch more.
  package var groupLimit: Int
  /// The most pages that the file may have; `nil` for SQLite's own limit.
  package var maximumPages: Int?
  /// How many new jobs may wait to be written.
  package var waitingJobs: Int
  /// About how many bytes they may have.
  package var waitingBytes: Int
  /// What tenants may have.
  package var quotas = TenantQuotas()
  /// Whether each call is made so that it can be taken back by itself, without trying all as one before. For tests.
  package var isCareful = false

  package init(
    groupLimit: Int = 512, maximumPages: Int? = nil, waitingJobs: Int = 50_000,
    waitingBytes: Int = 64 << 20
  ) {
    self.groupLimit = groupLimit
    self.maximumPages = maximumPages
    self.waitingJobs = waitingJobs
    self.waitingBytes = waitingBytes
  }
}
