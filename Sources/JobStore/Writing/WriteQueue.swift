import GRDB
import Jobs
import Logging
import Synchronization

/// One caller's part of a transaction.
struct WritePiece: Sendable {
  /// What happens to the caller when the transaction is over: its answer, or the error that took it.
  typealias Settle = @Sendable (StoreError?) -> Void

  /// About how many jobs it touches.
  let weight: Int
  /// About how many bytes it brings, where it is to be refused while too much waits; `nil` where it is not.
  let bytes: Int?
  /// Does the work and returns how to answer, to be called when the transaction is over.
  let run: @Sendable (Transaction) throws -> Settle
  /// Answers when `run` was not called or has thrown.
  let refuse: @Sendable (StoreError) -> Void
}

/// Group commit: callers that arrive while a transaction is under way share the next one.
///
/// A commit waits for the disk, and costs the same for one job as for hundreds. So nobody waits for company: a call that
/// finds the writer idle starts it at once, and under load the groups form by themselves. All of it runs on GRDB's
/// writer queue, a thread outside the cooperative pool; callers are suspended, not blocked. A cancelled caller's piece
/// is carried out like any other, and its caller learns what became of it.
final class WriteQueue: Sendable {
  private struct State {
    var pending: [WritePiece] = []
    /// How much of the pending that is bounded.
    var waitingJobs = 0
    var waitingBytes = 0
    var isDraining = false
    var isClosed = false
  }

  private let state = Mutex(State())
  /// Locked by the writer alone.
  private let writer: Mutex<WriterState>
  private let pool: DatabasePool
  private let options: StoreOptions
  private let logger: Logger
  private let damage: DamageLog
  private let onCommit: @Sendable (StoreCommit) -> Void

  init(
    pool: DatabasePool, options: StoreOptions, logger: Logger, damage: DamageLog,
    onCommit: @escaping @Sendable (StoreCommit) -> Void
  ) throws(StoreError) {
    self.pool = pool
    self.options = options
    self.logger = logger
    self.damage = damage
    self.onCommit = onCommit
    writer = Mutex(
      try translatingErrors {
        try pool.writeWithoutTransaction { db -> WriterState in
          let state = try WriterState(db, quotas: options.quotas)
          let transaction = Transaction(db, state, hopeful: false)
          // Where nothing is held back, nothing is written.
          guard try transaction.hasHeldBack() else { return state }
          try db.inTransaction(.immediate) {
            try transaction.releaseAllHeldBack()
            try transaction.flush()
            return .commit
          }
          return transaction.committed()
        }
      })
  }

  /// Carries out one piece of work in a transaction of its own or a shared one; returns when it is committed.
  ///
  /// - Parameter bytes: about how many it brings, when it is to be refused while too much waits already; `nil` when it
  ///   has to be done whatever waits.
  func write<Answer: Sendable>(
    weight: Int = 1, bytes: Int? = nil, _ work: @escaping @Sendable (Transaction) throws -> Answer
  ) async throws(StoreError) -> Answer {
    let outcome: Result<Answer, StoreError> = await withCheckedContinuation { continuation in
      submit(
        WritePiece(weight: weight, bytes: bytes) { transaction in
          let answer = try work(transaction)
          return { error in
            continuation.resume(returning: error.map { .failure($0) } ?? .success(answer))
          }
        } refuse: { error in
          continuation.resume(returning: .failure(error))
        })
    }
    return try outcome.get()
  }

  /// How many pieces wait for the next transaction.
  var pendingCount: Int { state.withLock { $0.pending.count } }

  var isClosed: Bool { state.withLock { $0.isClosed } }

  /// Takes no more work; what was taken before is still carried out.
  func close() {
    state.withLock { $0.isClosed = true }
  }

  private func submit(_ piece: WritePiece) {
    enum Next {
      case refuse(StoreError)
      case wake, wait
    }
    let next: Next = state.withLock { state in
      guard !state.isClosed else { return .refuse(.closed) }
      if let bytes = piece.bytes {
        // One that is larger than the bound is taken by itself.
        guard
          state.waitingJobs == 0
            || (state.waitingJobs + piece.weight <= options.waitingJobs
              && state.waitingBytes + bytes <= options.waitingBytes)
        else { return .refuse(.overloaded) }
        state.waitingJobs += piece.weight
        state.waitingBytes += bytes
      }
      state.pending.append(piece)
      guard !state.isDraining else { return .wait }
      state.isDraining = true
      return .wake
    }
    switch next {
    case .refuse(let error): piece.refuse(error)
    case .wake: pool.asyncWriteWithoutTransaction { self.drain($0) }
    case .wait: break
    }
  }

  private func drain(_ db: Database) {
    while let group = nextGroup() { carryOut(group, in: db) }
  }

  private func nextGroup() -> [WritePiece]? {
    state.withLock { state in
      var count = 0
      var weight = 0
      for piece in state.pending {
        weight += piece.weight
        guard count == 0 || weight <= options.groupLimit else { break }
        count += 1
      }
      guard count > 0 else {
        state.isDraining = false
        return nil
      }
      let group = Array(state.pending.prefix(count))
      state.pending.removeFirst(count)
      for piece in group {
        guard let bytes = piece.bytes else { continue }
        state.waitingJobs -= piece.weight
        state.waitingBytes -= bytes
      }
      return group
    }
  }

  private func carryOut(_ group: [WritePiece], in db: Database) {
    let outcome = writer.withLock {
      GroupTransaction(db, isCareful: options.isCareful).carryOut(group, &$0)
    }
    if let setback = outcome.setback {
      logger.debug(
        "a transaction of the status store was done again, part by part",
        metadata: ["calls": "\(group.count)", "error": "\(setback)"])
    }
    if let error = outcome.error {
      logger.error(
        "a transaction of the status store failed",
        metadata: ["calls": "\(group.count)", "error": "\(error)"])
    } else {
      damage.noteSetAside(outcome.effects.setAside)
      damage.noteSkipped(outcome.effects.leftOut)
      // Before the callers go on: whoever has an answer can rely on everyone's having been told.
      if !outcome.effects.commit.isEmpty { onCommit(outcome.effects.commit) }
    }
    outcome.settle()
  }
}

/// The pieces of several callers in one transaction. A piece that fails takes nobody else's work with it.
struct GroupTransaction {
  struct Outcome {
    /// Why nothing of the transaction was written.
    fileprivate(set) var error: StoreError?
    /// Why it was done again, with care.
    fileprivate(set) var setback: StoreError?
    fileprivate(set) var effects = Transaction.Effects()
    fileprivate var done: [WritePiece.Settle] = []
    fileprivate var failed: [(piece: WritePiece, error: StoreError)] = []

    func settle() {
      for settle in done { settle(error) }
      for (piece, reason) in failed { piece.refuse(reason) }
    }
  }

  private let db: Database
  private let isCareful: Bool

  init(_ db: Database, isCareful: Bool) {
    self.db = db
    self.isCareful = isCareful
  }

  func carryOut(_ group: [WritePiece], _ state: inout WriterState) -> Outcome {
    guard !isCareful else { return carefully(group, &state) }
    do {
      try db.beginTransaction(.immediate)
    } catch {
      // Waiting for whoever has the file would take as long again.
      let reason = StoreError(error)
      return Outcome(error: reason, failed: group.map { ($0, reason) })
    }
    switch hopefully(group, &state) {
    case .success(let outcome): return outcome
    case .failure(let setback):
      var outcome = carefully(group, &state)
      outcome.setback = setback
      return outcome
    }
  }

  /// All pieces as one.
  ///
  /// - Returns: what failed, if anything did; nothing is written then.
  private func hopefully(
    _ group: [WritePiece], _ state: inout WriterState
  ) -> Result<Outcome, StoreError> {
    var outcome = Outcome()
    let transaction = Transaction(db, state, hopeful: true)
    do {
      outcome.done = try group.map { try $0.run(transaction) }
      if let error = transaction.spoiledBy { throw error }
      try transaction.flush()
      // With nothing written, this costs nothing.
      try db.commit()
    } catch {
      abandon()
      state = state.afterRollback()
      return .failure(StoreError(error))
    }
    outcome.effects = transaction.effects
    state = transaction.committed()
    return .success(outcome)
  }

  /// Each piece so that it can be taken back by itself.
  private func carefully(_ group: [WritePiece], _ state: inout WriterState) -> Outcome {
    var outcome = Outcome()
    var remaining = group[...]
    let transaction = Transaction(db, state, hopeful: false)
    do {
      try db.beginTransaction(.immediate)
      while let piece = remaining.first {
        try carryOut(piece, alone: group.count == 1, transaction, &outcome)
        remaining.removeFirst()
      }
      try transaction.flush()
      try db.commit()
      outcome.effects = transaction.effects
      state = transaction.committed()
    } catch {
      let reason = StoreError(error)
      abandon()
      outcome.error = reason
      outcome.failed += remaining.map { ($0, reason) }
      state = state.afterRollback()
    }
    return outcome
  }

  /// - Throws: only what ends the whole transaction.
  private func carryOut(
    _ piece: WritePiece, alone: Bool, _ transaction: Transaction, _ outcome: inout Outcome
  ) throws {
    // Alone, it is the transaction.
    guard !alone else {
      outcome.done.append(try piece.run(transaction))
      return
    }
    let before = transaction.beginPart()
    try run("SAVEPOINT piece")
    do {
      let settle = try piece.run(transaction)
      try run("RELEASE piece")
      outcome.done.append(settle)
    } catch {
      // On a full disk or an I/O error SQLite itself may have ended the transaction, with everyone's work.
      guard db.isInsideTransaction else { throw error }
      try run("ROLLBACK TO piece")
      try run("RELEASE piece")
      transaction.undo(to: before)
      outcome.failed.append((piece, StoreError(error)))
    }
  }

  private func abandon() {
    guard db.isInsideTransaction else { return }
    // It can fail only where there is no transaction any more, which is what is wanted.
    try? db.rollback()
  }

  private func run(_ sql: String) throws {
    try db.cachedStatement(sql: sql).execute()
  }
}
