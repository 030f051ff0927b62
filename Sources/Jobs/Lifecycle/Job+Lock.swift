extension Job {
  /// Marks a running job as locked by another one. That the two do not wait for each other is for the store to know.
  ///
  /// - Returns: why not, when its status forbids it.
  public mutating func lock(by other: JobID, at now: Timestamp) -> LockError? {
    guard status == .running || status == .locked else { return .status(status) }
    if status == .running { move(to: .locked, at: now) }
    lockedBy = other
    return nil
  }

  /// Takes the mark away, where there is one.
  ///
  /// - Returns: why not, when its status forbids it.
  public mutating func unlock(at now: Timestamp) -> LockError? {
    guard status.isHeld else { return .status(status) }
    if status == .locked { move(to: .running, at: now) }
    lockedBy = nil
    return nil
  }
}
