/// One caller's part of a transaction.
struct WritePiece: Sendable {
  /// What happens to the caller when the transaction is over: its answer, or the error that took it.
  typealias Settle = @Sendable (StoreError?) -> Void

  /// About how many jobs it touches.
  let weight: Int
  /// Does the work and returns how to answer, to be called when the transaction is over.
  let run: @Sendable (inout WriteScope) throws -> Settle
  /// Answers when `run` was not called or has thrown.
  let refuse: @Sendable (StoreError) -> Void
}
