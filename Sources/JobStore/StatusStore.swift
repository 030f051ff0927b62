import GRDB
import Jobs
public import Logging

/// The status store: a SQLite file that holds the truth of every job.
///
/// One store at a time has a file; the reads of its callers run beside each other and beside its one writer, which
/// commits in groups. A write that has returned is on the disk. Reads and writes suspend their callers and run on
/// threads outside the cooperative pool; cancelling the caller's task does not stop them.
public final class StatusStore: Sendable {
  let file: StoreFile
  let writes: WriteQueue
  private let damageLog: DamageLog

  /// Opens or creates the file and migrates it. Does not return before that is done.
  ///
  /// - Parameter onCommit: called after each commit with everything that it changed, in the order of commits, before
  ///   those who asked for the changes get their answers, and off the cooperative pool. The next commit waits for it: it
  ///   must be quick and must not wait for the store.
  public convenience init(
    path: String, logger: Logger, onCommit: @escaping @Sendable ([JobChange]) -> Void
  ) throws(StoreError) {
    try self.init(path: path, options: StoreOptions(), logger: logger, onCommit: onCommit)
  }

  package init(
    path: String, options: StoreOptions, logger: Logger,
    onCommit: @escaping @Sendable ([JobChange]) -> Void
  ) throws(StoreError) {
    file = try StoreFile(path: path, options: options)
    damageLog = DamageLog(logger: logger)
    writes = WriteQueue(
      pool: file.pool, groupLimit: options.groupLimit, logger: logger, damage: damageLog,
      onCommit: onCommit)
    logger.info("the status store is open", metadata: ["path": "\(file.path)"])
  }

  /// Commits what was asked for before, and closes the file; blocks until then. Later calls fail with
  /// ``StoreError/closed``; closing again does nothing.
  public func close() throws(StoreError) {
    writes.close()
    try file.close()
  }

  /// How many rows could not be read.
  public var damage: StoreDamage { damageLog.damage }

  /// Reads several jobs. Rows that cannot be read are left out and set aside: their jobs fail with the reason.
  func readJobs(
    _ work: @escaping @Sendable (Database) throws -> ReadJobs
  ) async throws(StoreError) -> [Job] {
    let found = try await read(work)
    await setAside(found.damaged)
    return found.jobs
  }

  func setAside(_ rows: [UnreadableRow]) async {
    guard !rows.isEmpty else { return }
    damageLog.noteSkipped(rows.map(\.description))
    do {
      try await writes.write(weight: rows.count) { scope in
        for row in rows { try scope.setAside(number: row.number) }
      }
    } catch {
      // It is tried again with the next look.
      damageLog.noteNotSetAside(error)
    }
  }

  func noteSkipped(_ reasons: [String]) {
    damageLog.noteSkipped(reasons)
  }

  /// How many calls wait for the next transaction.
  public var pendingWrites: Int { writes.pendingCount }

  /// Proves, by doing both, that the store can be read and written.
  public func checkHealth() async throws(StoreError) {
    try await writes.write(weight: 0) { scope in try StoreHealth.touch(scope.db) }
    _ = try await read { db in try Int.fetchOne(db, sql: "SELECT checked_at FROM store_health") }
  }

  /// Reads in one snapshot of the store, on a thread of GRDB's.
  func read<Answer: Sendable>(
    _ work: @escaping @Sendable (Database) throws -> Answer
  ) async throws(StoreError) -> Answer {
    do {
      return try await readOpen(work)
    } catch {
      // Whatever SQLite calls it.
      throw writes.isClosed ? .closed : error
    }
  }

  private func readOpen<Answer: Sendable>(
    _ work: @escaping @Sendable (Database) throws -> Answer
  ) async throws(StoreError) -> Answer {
    let outcome: Result<Answer, StoreError> = await withCheckedContinuation { continuation in
      file.pool.asyncRead { access in
        continuation.resume(
          returning: Result { () throws(StoreError) in
            try translatingErrors { try work(access.get()) }
          })
      }
    }
    return try outcome.get()
  }
}
