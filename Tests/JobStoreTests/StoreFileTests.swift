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
    #expect(try await second.events(of: job.id, after: 0, limit: 9).count == 1)
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
    var reopened: SQLiteStore?
    while reopened == nil, ContinuousClock.now < deadline {
      do { reopened = try StoreFixture.open(folder) } catch StoreFileError.inUse {
        await Task.yield()
      }
    }
    let store = try #require(reopened)
    #expect(try await store.job(job.id) == job)
    try store.close()
  }

  @Test func aNewFileIsSafeAgainstPowerCuts() async throws {
    try await withStore { fixture in
      let settings = try await fixture.store.writes.write { transaction in
        try ["journal_mode", "synchronous"].map {
          try String.fetchOne(transaction.db, sql: "SELECT * FROM pragma_\($0)")
        }
      }
      #expect(settings == ["wal", "2"])
      try await fixture.store.checkHealth()
    }
  }

  @Test func aStatusThatIsNoneIsRefusedByTheFileItself() async throws {
    try await withStore { fixture in
      _ = try await fixture.store.insert(
        try JobStatus.allCases.map { status in try sampleJob().with { $0.status = status } })
      await #expect(throws: StoreError.self) {
        try await fixture.store.writes.write { transaction in
          try transaction.db.execute(sql: "UPDATE job SET status = 15")
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
    let error = try #require(throws: StoreFileError.self) { try StoreFixture.open(folder) }
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
    #expect(throws: StoreFileError.foreignFile(path: resolved(folder))) {
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
    #expect(throws: StoreFileError.notADatabase(path: resolved(folder))) {
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
    do {
      let store = try StoreFixture.open(folder)
      _ = try await store.list(JobQuery(pageSize: 1000))
      Issue.record("it was read")
    } catch StoreError.corrupt {
      return
    } catch StoreFileError.store(.corrupt) {
      return
    }
  }

  @Test func aFileFromBeforeThereWasRetentionGetsItsIndexes() async throws {
    let folder = try TemporaryFolder()
    try StoreFixture.open(folder).close()
    try raw(folder) { db in
      try db.execute(
        sql: """
          DROP INDEX job_ended; DROP INDEX tombstone_age;
          DELETE FROM grdb_migrations WHERE identifier = 'retention';
          """)
    }
    let store = try StoreFixture.open(folder)
    _ = try await store.insert([try sampleJob().with { $0.status = .completed }])
    let late = Timestamp.start + 31 * 86_400_000
    #expect(try await store.prune(RetentionPolicy(), at: late, limit: 9).total == 1)
    try store.close()
  }

  @Test func aFileFromBeforeThereWasContextGoesOnWithItsJobs() async throws {
    let folder = try TemporaryFolder()
    let first = try StoreFixture.open(folder)
    let old = try sampleJob()
    _ = try await first.insert([old])
    try first.close()
    try raw(folder) { db in
      try db.execute(
        sql: """
          ALTER TABLE payload DROP COLUMN context;
          DELETE FROM grdb_migrations WHERE identifier = 'context';
          """)
    }
    let store = try StoreFixture.open(folder)
    let new = try sampleJob(context: ["request-id": "17"])
    _ = try await store.insert([new])
    #expect(try await store.job(old.id) == old)
    #expect(try await store.job(new.id) == new)
    _ = try await store.register(
      WorkerRegistration(worker: WorkerID(rawValue: "w"), epoch: 1), at: .start)
    let answer = try await store.claim(
      [
        ClaimRequest(
          worker: WorkerID(rawValue: "w"), epoch: 1, queue: .compute, count: 2, types: [old.type])
      ], bytes: 1 << 20, at: .start)
    #expect(answer.first?.jobs.map(\.context) == [[:], ["request-id": "17"]])
    try store.close()
  }

  @Test func aFileFromBeforeThereWereRetriesAndOperationsGoesOnWithItsJobs() async throws {
    let folder = try TemporaryFolder()
    let first = try StoreFixture.open(folder)
    let old = try sampleJob()
    _ = try await first.insert([old])
    try first.close()
    try raw(folder) { db in
      try db.execute(
        sql: """
          ALTER TABLE job DROP COLUMN retry_of; DROP TABLE operation;
          DELETE FROM grdb_migrations WHERE identifier IN ('retry', 'operation');
          """)
    }
    let store = try StoreFixture.open(folder)
    let new = try sampleJob().with { $0.retryOf = old.id }
    _ = try await store.insert([new])
    #expect(try await store.job(old.id) == old)
    #expect(try await store.job(new.id) == new)
    #expect(try await store.runningOperations().isEmpty)
    try store.close()
  }

  @Test func aFileFromBeforeTheFirstReleaseIsRefusedAndLeftAsItIs() throws {
    let folder = try TemporaryFolder()
    try raw(folder) { db in
      try db.execute(
        sql: "PRAGMA application_id = 1463898702; CREATE TABLE job_payloads (number INTEGER)")
    }
    let before = try Data(contentsOf: URL(fileURLWithPath: folder.file()))
    let error = try #require(throws: StoreFileError.self) { try StoreFixture.open(folder) }
    #expect(error == .earlierFile(path: resolved(folder)))
    #expect(error.description.contains("before the first release"))
    #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file())) == before)
  }

  @Test func numbersAreNotUsedAgainAfterTheNewestJobIsGone() async throws {
    let folder = try TemporaryFolder()
    let first = try StoreFixture.open(folder)
    let jobs = try (0..<2).map { _ in try sampleJob() }
    _ = try await first.insert(jobs)
    let last = try await first.events(after: 0, limit: 9).last?.sequence
    _ = try await first.delete(jobs[1].id, tenant: nil, at: .start)
    try first.close()
    let second = try StoreFixture.open(folder)
    let job = try sampleJob()
    _ = try await second.insert([job])
    let sequence = try await second.events(of: job.id, after: 0, limit: 9).first?.sequence
    #expect(try #require(sequence) > #require(last))
    try second.close()
  }

  @Test func whatIsDueIsKnownAgainAfterOpening() async throws {
    let folder = try TemporaryFolder()
    let first = try StoreFixture.open(folder)
    let job = try sampleJob()
    _ = try await first.insert([job])
    try first.close()
    let second = try StoreFixture.open(folder)
    #expect(try await second.due().map(\.count) == [1])
    let worker = WorkerID(rawValue: "w")
    _ = try await second.register(WorkerRegistration(worker: worker, epoch: 1), at: .start)
    let answers = try await second.claim(
      [
        ClaimRequest(worker: worker, epoch: 1, queue: job.queue, count: 9, types: [job.type])
      ], bytes: 1000, at: .start)
    #expect(answers[0].jobs.map(\.job) == [job.id])
    try second.close()
  }

  @Test func aMissingFolderIsNamed() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("missing/store.sqlite")
    let error = try #require(throws: StoreFileError.self) {
      try SQLiteStore(path: path, logger: Logger(label: "test")) { _ in }
    }
    guard case .cannotOpen = error else {
      Issue.record("\(error)")
      return
    }
    #expect(error.description.contains("there is no folder \(folder.path)/missing"))
  }

  @Test func aFolderIsNoFile() throws {
    let folder = try TemporaryFolder()
    let error = try #require(throws: StoreFileError.self) {
      try SQLiteStore(path: folder.path, logger: Logger(label: "test")) { _ in }
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
        throws: StoreFileError.inUse(
          path: resolved(folder), process: "\(ProcessInfo.processInfo.processIdentifier)")
      ) {
        try SQLiteStore(path: path, logger: Logger(label: "test")) { _ in }
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
