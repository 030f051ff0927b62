import JobStore
import Logging

/// A store in a folder of its own, with what its commits told.
struct StoreFixture: Sendable {
  let folder: TemporaryFolder
  let store: StatusStore
  let recorder: CommitRecorder

  init(_ folder: TemporaryFolder? = nil, options: StoreOptions = StoreOptions()) throws {
    let folder = try folder ?? TemporaryFolder()
    let recorder = CommitRecorder()
    self.folder = folder
    self.recorder = recorder
    store = try Self.open(folder, options: options) { recorder.note($0) }
  }

  static func open(
    _ folder: TemporaryFolder, options: StoreOptions = StoreOptions(),
    onCommit: @escaping @Sendable ([JobChange]) -> Void = { _ in }
  ) throws(StoreError) -> StatusStore {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return try StatusStore(
      path: folder.file(), options: options, logger: logger, onCommit: onCommit)
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
