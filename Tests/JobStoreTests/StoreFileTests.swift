import Foundation
import GRDB
import Jobs
import Logging
import Testing

@testable import JobStore

@Suite(.timeLimit(.minutes(3))) struct StoreFileTests {
  @Test func aStoreIsReadBackAfterClosing() async throws {
    let folder = try TemporaryFolder()
    let job = try sampleJob()
    let first = try StoreFixture.open(folder)
    _ = try await first.insert([job])
    try first.close()
    let second = try StoreFixture.open(folder)
    #expect(try await second.job(job.id) == job)
    #expect(try await second.events(of: job.id).count == 1)
    try second.close()
  }

  @Test func anAbandonedHandleLetsGoOfTheFile() async throws {
    let folder = try TemporaryFolder()
    let job = try sampleJob()
    do {
      let store = try StoreFixture.open(folder)
      _ = try await store.insert([job])
    }
    // The writer's thread may still be on its way out of its last transaction.
    let deadline = ContinuousClock.now + .seconds(10)
    var reopened: StatusStore?
    while reopened == nil, ContinuousClock.now < deadline {
      do { reopened = try StoreFixture.open(folder) } catch StoreError.inUse { await Task.yield() }
    }
    let store = try #require(reopened)
    #expect(try await store.job(job.id) == job)
    try store.close()
  }

  @Test func aNewFileIsSafeAgainstPowerCuts() async throws {
    try await withStore { fixture in
      let settings = try await fixture.store.writes.write { scope in
        try ["journal_mode", "synchronous", "foreign_keys"].map {
          try String.fetchOne(scope.db, sql: "SELECT * FROM pragma_\($0)")
        }
      }
      #expect(settings == ["wal", "2", "1"])
      try await fixture.store.checkHealth()
    }
  }

  @Test func aStatusThatIsNoneIsRefusedByTheFileItself() async throws {
    try await withStore { fixture in
      _ = try await fixture.store.insert(
        try JobStatus.allCases.map { status in try sampleJob().with { $0.status = status } })
      await #expect(throws: StoreError.self) {
        try await fixture.store.writes.write { scope in
          try scope.db.execute(sql: "UPDATE jobs SET status = 'exploded'")
        }
      }
    }
  }

  @Test func aNewerFileIsRefusedAndLeftAsItIs() async throws {
    let folder = try TemporaryFolder()
    try StoreFixture.open(folder).close()
    try raw(folder) { db in
      try db.execute(sql: "INSERT INTO grdb_migrations VALUES ('time travel')")
    }
    let before = try Data(contentsOf: URL(fileURLWithPath: folder.file()))
    let error = try #require(throws: StoreError.self) { try StoreFixture.open(folder) }
    guard case .newerFile(_, let found, let known) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(Set(found).subtracting(known) == ["time travel"])
    #expect(error.description.contains("time travel"))
    #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file())) == before)
  }

  @Test func anotherProgramsDatabaseIsRefusedAndLeftAsItIs() throws {
    let folder = try TemporaryFolder()
    try raw(folder) { db in try db.execute(sql: "CREATE TABLE songs (title TEXT)") }
    let before = try Data(contentsOf: URL(fileURLWithPath: folder.file()))
    #expect(throws: StoreError.foreignFile(path: resolved(folder))) {
      try StoreFixture.open(folder)
    }
    #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file())) == before)
  }

  @Test(arguments: [1, 100, 5000, 100_000])
  func garbageIsRefusedAndLeftAsItIs(_ size: Int) throws {
    let folder = try TemporaryFolder()
    var random = SeededGenerator(seed: 3)
    let garbage = Data((0..<size).map { _ in UInt8.random(in: 1...255, using: &random) })
    try garbage.write(to: URL(fileURLWithPath: folder.file()))
    #expect(throws: StoreError.notADatabase(path: resolved(folder))) {
      try StoreFixture.open(folder)
    }
    #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file())) == garbage)
  }

  @Test func aDamagedFileIsCalledSo() async throws {
    let folder = try TemporaryFolder()
    let first = try StoreFixture.open(folder)
    let jobs = try (0..<200).map { _ in try sampleJob() }
    _ = try await first.insert(jobs)
    try first.close()
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: folder.file()))
    let size = try file.seekToEnd()
    try file.seek(toOffset: 4096)
    try file.write(contentsOf: Data(repeating: 0xA5, count: Int(size) - 4096))
    try file.close()
    let error = await #expect(throws: StoreError.self) {
      let store = try StoreFixture.open(folder)
      _ = try await store.list(JobQuery(pageSize: 1000))
    }
    guard case .corrupt = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func aMissingFolderIsNamed() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("missing/store.sqlite")
    let error = try #require(throws: StoreError.self) {
      try StatusStore(path: path, logger: Logger(label: "test")) { _ in }
    }
    guard case .cannotOpen = error else {
      Issue.record("\(error)")
      return
    }
    #expect(error.description.contains("there is no folder \(folder.path)/missing"))
  }

  @Test func aFolderIsNoFile() throws {
    let folder = try TemporaryFolder()
    let error = try #require(throws: StoreError.self) {
      try StatusStore(path: folder.path, logger: Logger(label: "test")) { _ in }
    }
    #expect(error.description.hasSuffix("it is a folder"))
  }

  @Test func aSecondStoreIsRefusedWhicheverNameTheFileHas() throws {
    let folder = try TemporaryFolder()
    let first = try StoreFixture.open(folder)
    let link = folder.file("link.sqlite")
    try FileManager.default.createSymbolicLink(
      atPath: link, withDestinationPath: folder.file())
    for path in [folder.file(), link] {
      #expect(
        throws: StoreError.inUse(
          path: resolved(folder), process: "\(ProcessInfo.processInfo.processIdentifier)")
      ) {
        try StatusStore(path: path, logger: Logger(label: "test")) { _ in }
      }
    }
    try first.close()
    try StoreFixture.open(folder).close()
  }

  private func resolved(_ folder: TemporaryFolder) -> String {
    URL(fileURLWithPath: folder.file()).resolvingSymlinksInPath().path
  }

  private func raw(_ folder: TemporaryFolder, _ work: (Database) throws -> Void) throws {
    let queue = try DatabaseQueue(path: folder.file())
    try queue.write(work)
    try queue.close()
  }
}
