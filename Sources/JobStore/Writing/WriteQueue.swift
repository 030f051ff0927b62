import GRDB
import Logging
import Synchronization

/// Group commit: callers that arrive while a transaction is under way share the next one.
///
/// A commit waits for the disk, and costs the same for one job as for hundreds. So nobody waits for company: a call that
/// finds the writer idle starts it at once, and under load the groups form by themselves. All of it runs on GRDB's
/// writer queue, a thread outside the cooperative pool; callers are suspended, not blocked. A cancelled caller's piece
/// is carried out like any other, and its caller learns what became of it.
final class WriteQueue: Sendable {
  private struct State {
    var pending: [WritePiece] = []
    var isDraining = false
    var isClosed = false
  }

  private let state = Mutex(State())
  private let pool: DatabasePool
  private let groupLimit: Int
  private let logger: Logger
  private let damage: DamageLog
  private let onCommit: @Sendable ([JobChange]) -> Void

  init(
    pool: DatabasePool, groupLimit: Int, logger: Logger, damage: DamageLog,
    onCommit: @escaping @Sendable ([JobChange]) -> Void
  ) {
    self.pool = pool
    self.groupLimit = groupLimit
    self.logger = logger
    self.damage = damage
    self.onCommit = onCommit
  }

  /// Carries out one piece of work in a transaction of its own or a shared one; returns when it is committed.
  func write<Answer: Sendable>(
    weight: Int = 1, _ work: @escaping @Sendable (inout WriteScope) throws -> Answer
  ) async throws(StoreError) -> Answer {
    let outcome: Result<Answer, StoreError> = await withCheckedContinuation { continuation in
      submit(
        WritePiece(weight: weight) { scope in
          let answer = try work(&scope)
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
  var pendingCount: Int {
    state.withLock { $0.pending.count }
  }

  var isClosed: Bool {
    state.withLock { $0.isClosed }
  }

  /// Takes no more work; what was taken before is still carried out.
  func close() {
    state.withLock { $0.isClosed = true }
  }

  private func submit(_ piece: WritePiece) {
    enum Next { case refuse, wake, wait }
    let next: Next = state.withLock { state in
      guard !state.isClosed else { return .refuse }
      state.pending.append(piece)
      guard !state.isDraining else { return .wait }
      state.isDraining = true
      return .wake
    }
    switch next {
    case .refuse: piece.refuse(.closed)
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
        guard count == 0 || weight <= groupLimit else { break }
        count += 1
      }
      guard count > 0 else {
        state.isDraining = false
        return nil
      }
      let group = Array(state.pending.prefix(count))
      state.pending.removeFirst(count)
      return group
    }
  }

  private func carryOut(_ group: [WritePiece], in db: Database) {
    let outcome = GroupTransaction(db).carryOut(group)
    if let error = outcome.error {
      logger.error(
        "a transaction of the status store failed",
        metadata: ["calls": "\(group.count)", "error": "\(error)"])
    }
    if outcome.error == nil {
      damage.noteSetAside(outcome.setAside)
      damage.noteSkipped(outcome.leftOut)
    }
    // Before the callers go on: whoever has an answer can rely on everyone's having been told.
    if outcome.error == nil, !outcome.changes.isEmpty { onCommit(outcome.changes) }
    outcome.settle()
  }
}
