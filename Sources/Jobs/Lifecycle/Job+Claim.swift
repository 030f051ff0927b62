public import Foundation

extension Job {
  /// Gives a waiting job to a worker: its next attempt begins.
  ///
  /// - Returns: `nil` when it does not wait; then it is as it was.
  public mutating func start(
    by worker: WorkerID, claim: UUID, at now: Timestamp
  ) -> JobAssignment? {
    guard status == .waiting else { return nil }
    attempt += 1
    self.worker = worker
    self.claim = claim
    move(to: .running, at: now)
    if startedAt == nil { startedAt = now }
    attemptStartedAt = now
    eta = latestEnd
    details = ""
    return assignment
  }

  /// What a worker is told of the newest attempt.
  public var assignment: JobAssignment {
    JobAssignment(
      job: id, type: type, attempt: attempt, retries: retries, maxRetries: retry.maxRetries,
      tenant: tenantID, user: userID, params: JSONPayload(params), timeout: timeout,
      snapshot: snapshot.map { JSONPayload($0) })
  }

  /// Takes the job from its worker, which is gone: it waits again, is what it was told to become, or is poison.
  ///
  /// - Parameter poisonLimit: how many workers it may cost before it fails.
  public mutating func loseWorker(at now: Timestamp, poisonLimit: Int) {
    switch status {
    case .canceling:
      move(to: .canceled, at: now)
    case .suspending:
      rest(at: now)
    case .running, .locked:
      lostWorkers += 1
      if lostWorkers >= poisonLimit {
        error = "poison: \(lostWorkers) workers ended while they ran this job"
        move(to: .failed, at: now)
      } else {
        let name = worker?.rawValue ?? "unknown"
        let lost = claim
        wait(until: now, at: now, because: "its worker \(name) is gone")
        // Should it live after all, and nobody have claimed the job since, what it reports counts.
        claim = lost
      }
    case .initializing, .waiting, .resuming, .suspended, .skipped, .canceled, .failed, .timedOut,
      .completed:
      break
    }
  }
}
