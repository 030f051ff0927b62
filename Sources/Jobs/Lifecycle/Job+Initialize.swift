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
  public mutating func failInitialization(_ message: String, at now: Timestamp) {
    guard status == .initializing else { return }
    error = message
    move(to: .failed, at: now)
  }

  /// What a worker needs to know in order to call one of the type's callbacks.
  public var callbackAssignment: JobAssignment {
    JobAssignment(
      job: id, type: type, attempt: attempt, retries: retries, maxRetries: retry.maxRetries,
      tenant: tenantID, user: userID, params: params, timeout: timeout, snapshot: snapshot)
  }
}
