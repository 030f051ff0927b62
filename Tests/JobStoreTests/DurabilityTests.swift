import Foundation
import GRDB
import Jobs
import Logging
import Synchronization
import Testing

@testable import JobStore

/// What happens across processes; the children are this test's own.
@Suite(.timeLimit(.minutes(3))) struct DurabilityTests {
  /// Writes without pause and notes each acknowledged id, until it is killed in the middle of it all.
  private static func writeUntilKilled(_ path: String) async throws {
    let store = try SQLiteStore(path: "\(path)/store.sqlite", logger: Logger(label: "child")) {
      _ in
    }
    let noted = FileHandle(
      fileDescriptor: open("\(path)/acknowledged", O_WRONLY | O_CREAT | O_APPEND, 0o600))
    let count = Counter()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 1...8 {
        group.addTask {
          while true {
            let jobs = try (0..<number).map { _ in try sampleJob() }
            _ = try await store.insert(jobs)
            try noted.write(contentsOf: Data(jobs.map { "\($0.id)\n" }.joined().utf8))
            // The others are in the middle of their transactions.
            if count.next() == 150 { kill(getpid(), SIGKILL) }
          }
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func aKilledWriterLosesNothingThatItAcknowledged() async throws {
    let folder = try TemporaryFolder()
    let path = folder.path
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
      try await Self.writeUntilKilled(path)
    }
    let acknowledged = try String(
      contentsOfFile: folder.file("acknowledged"), encoding: .utf8
    ).split(separator: "\n").compactMap { JobID(String($0)) }
    try #require(acknowledged.count >= 150)
    // The kernel has lifted the lock of the dead.
    let store = try StoreFixture.open(folder)
    #expect(try await store.jobs(acknowledged).count == acknowledged.count)
    // Whole transactions only: each job with its payload, its row of the log, and its place in the counts.
    let (check, jobs, payloads, events) = try await store.writes.write { transaction in
      let db = transaction.db
      return (
        try String.fetchOne(db, sql: "PRAGMA integrity_check"),
        try Int.fetchOne(db, sql: "SELECT count(*) FROM job"),
        try Int.fetchOne(db, sql: "SELECT count(*) FROM payload"),
        try Int.fetchOne(db, sql: "SELECT count(*) FROM event")
      )
    }
    #expect(check == "ok")
    #expect(payloads == jobs && events == jobs)
    #expect(try await store.list(JobQuery()).total == jobs)
    try store.close()
  }

  @Test func aStoreOfAnotherProcessIsRefused() async throws {
    let folder = try TemporaryFolder()
    let store = try StoreFixture.open(folder)
    let path = folder.file()
    let holder = "\(ProcessInfo.processInfo.processIdentifier)"
    await #expect(processExitsWith: .success) {
      [path = path as String, holder = holder as String] in
      do {
        _ = try SQLiteStore(path: path, logger: Logger(label: "child")) { _ in }
        exit(1)
      } catch StoreFileError.inUse(_, let process) {
        exit(process == holder ? 0 : 2)
      }
    }
    try store.close()
  }
}

/// Counts for several tasks.
private final class Counter: Sendable {
  private let count = Mutex(0)

  func next() -> Int {
    count.withLock { count in
      count += 1
      return count
    }
  }
}
