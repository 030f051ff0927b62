extension Job {
  /// The init callback has returned: the job may run.
  ///
  /// - Returns: whether it still was being created.
  @discardableResult
  public mutating func finishInitialization(at now: Timestamp) -> Bool {
    guard status == .initializing else { return false }
    move(to: .waiting, at: now)
    return true
  }

  /// The init callback has thrown, when nobody waits for the answer any more.
  ///
  /// - Returns: whether it still was being created.
  @discardableResult
  public mutating func failInitialization(_ message: String, at now: Timestamp) -> Bool {
    guard status == .initializing else { return false }
    error = message
    move(to: .failed, at: now)
    return true
  }
}
