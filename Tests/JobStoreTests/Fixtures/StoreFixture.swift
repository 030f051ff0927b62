import JobStore
import Jobs
import Logging

/// A SQLite store in a folder of its own, with what its commits told.
struct StoreFixture: Sendable {
  let folder: TemporaryFolder
  let store: SQLiteStore
  let log = CommitLog()

  init(_ folder: TemporaryFolder? = nil, options: StoreOptions = StoreOptions()) throws {
    let folder = try folder ?? TemporaryFolder()
    let log = log
    self.folder = folder
    store = try Self.open(folder, options: options) { log.note($0) }
  }

  static func open(
    _ folder: TemporaryFolder, options: StoreOptions = StoreOptions(),
    onCommit: @escaping @Sendable (StoreCommit) -> Void = { _ in }
  ) throws(StoreFileError) -> SQLiteStore {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return try SQLiteStore(
      path: folder.file(), options: options, logger: logger, onCommit: onCommit)
  }
}

extension JobStore {
  /// Stores jobs whose params are as they were submitted.
  func insert(_ jobs: [Job]) async throws(StoreError) -> [Insertion] {
    try await insert(jobs.map { NewJob($0, submitted: $0.params) }, at: .start)
  }
}

/// Runs a test on a new store and closes it, however the test ends.
func withStore(
  options: StoreOptions = StoreOptions(), _ body: (StoreFixture) async throws -> Void
) async throws {
  let fixture = try StoreFixture(options: options)
  do {
    try await body(fixture)
  } catch {
    try fixture.store.close()
    throw error
  }
  try fixture.store.close()
}
