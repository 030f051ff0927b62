import GRDB

/// One transaction for the pieces of several callers, each in a savepoint, so that a piece that fails takes only itself
/// back.
struct GroupTransaction {
  /// How the transaction ended.
  struct Outcome {
    /// Why nothing was committed; `nil` when it was.
    fileprivate(set) var error: StoreError?
    /// Everything that was committed, in the order in which it was done.
    fileprivate(set) var changes: [JobChange] = []
    /// The rows that could not be read and are out of the way now.
    fileprivate(set) var setAside: [UnreadableRow] = []
    /// Why rows were left out that cannot even be written.
    fileprivate(set) var leftOut: [String] = []
    fileprivate var done: [WritePiece.Settle] = []
    fileprivate var failed: [(piece: WritePiece, error: StoreError)] = []

    /// Answers every caller.
    func settle() {
      for settle in done { settle(error) }
      for (piece, reason) in failed { piece.refuse(reason) }
    }
  }

  private let db: Database

  init(_ db: Database) {
    self.db = db
  }

  func carryOut(_ group: [WritePiece]) -> Outcome {
    var outcome = Outcome()
    var remaining = group[...]
    do {
      try db.beginTransaction(.immediate)
      while let piece = remaining.first {
        try carryOut(piece, alone: group.count == 1, &outcome)
        remaining.removeFirst()
      }
      // With nothing written, this costs nothing.
      try db.commit()
    } catch {
      let reason = StoreError(error)
      abandon()
      outcome.error = reason
      outcome.changes = []
      outcome.setAside = []
      outcome.leftOut = []
      outcome.failed += remaining.map { ($0, reason) }
    }
    return outcome
  }

  /// - Throws: only what ends the whole transaction.
  private func carryOut(_ piece: WritePiece, alone: Bool, _ outcome: inout Outcome) throws {
    var scope = WriteScope(db)
    if !alone { try run("SAVEPOINT piece") }
    let settle: WritePiece.Settle
    do {
      settle = try piece.run(&scope)
    } catch {
      // On a full disk or an I/O error SQLite itself may have ended the transaction, with everyone's work.
      guard !alone, db.isInsideTransaction else { throw error }
      try run("ROLLBACK TO piece")
      try run("RELEASE piece")
      outcome.failed.append((piece, StoreError(error)))
      return
    }
    if !alone { try run("RELEASE piece") }
    outcome.done.append(settle)
    outcome.changes += scope.changes
    outcome.setAside += scope.setAside
    outcome.leftOut += scope.leftOut
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
