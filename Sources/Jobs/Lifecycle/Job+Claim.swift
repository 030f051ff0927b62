public import Foundation

extension Job {
  /// What becomes of a worker's wish to run a job.
  public enum ClaimDecision: Sendable, Hashable {
    /// Run it; the job has been changed.
    case run(JobAssignment)
    /// The ticket is void: acknowledge it and forget it. The job may have been changed (to failed or canceled).
    case drop(ClaimRefusal)
    /// A worker has the job; find out whether that one is there, and what it has reported, and decide again. When it is the
    /// one that claims, nothing runs there.
    case ask(holder: WorkerID, attempt: Int)
  }

  /// Decides a claim, and moves the job to `running` when it is granted.
  ///
  /// A claim is granted once for each wait; asking again with the same `claim` gives the same answer. A job whose holder
  /// is gone is taken over, unless it has cost `poisonLimit` workers their life: then it fails.
  ///
  /// - Parameters:
  ///   - worker: who asks.
  ///   - claim: identifies this wish of that worker's.
  ///   - holderIsGone: whether the job's recorded worker is known to be gone; `nil` when nobody has looked.
  public mutating func claim(
    by worker: WorkerID, claim: UUID, holderIsGone: Bool?, at now: Timestamp, poisonLimit: Int
  ) -> ClaimDecision {
    switch status {
    case .waiting:
      guard scheduledAt <= now else {
        // A ticket that came too early is gone with this; when the job is due it gets another.
        ticketIssued = false
        return .drop(.notDue)
      }
      return start(by: worker, claim: claim, at: now)
    case .running, .locked, .canceling, .suspending:
      if self.worker == worker {
        if self.claim == claim, status == .running { return .run(assignment) }
        // Under another claim nothing runs there any more: it has lost the first one's answer, or it has reported the
        // outcome, which has to be known before the job is run again.
        if holderIsGone != true { return .ask(holder: worker, attempt: attempt) }
      } else if let holder = self.worker, holderIsGone != true {
        return holderIsGone == nil ? .ask(holder: holder, attempt: attempt) : .drop(.heldByAnother)
      }
      return takeOver(by: worker, claim: claim, at: now, poisonLimit: poisonLimit)
    case .initializing, .resuming, .suspended:
      return .drop(.notWaiting)
    case .skipped, .canceled, .failed, .timedOut, .completed:
      return .drop(.ended)
    }
  }

  private mutating func takeOver(
    by worker: WorkerID, claim: UUID, at now: Timestamp, poisonLimit: Int
  ) -> ClaimDecision {
    loseWorker(at: now, poisonLimit: poisonLimit)
    return status == .waiting ? start(by: worker, claim: claim, at: now) : .drop(.ended)
  }

  private mutating func start(by worker: WorkerID, claim: UUID, at now: Timestamp) -> ClaimDecision
  {
    move(to: .running, at: now)
    attempt += 1
    self.worker = worker
    self.claim = claim
    if startedAt == nil { startedAt = now }
    attemptStartedAt = now
    eta = latestEnd
    details = ""
    return .run(assignment)
  }

  private var assignment: JobAssignment {
    JobAssignment(
      job: id, type: type, attempt: attempt, retries: retries, maxRetries: retry.maxRetries,
      tenant: tenantID, user: userID, params: params, timeout: timeout, snapshot: snapshot)
  }

  /// Settles a held job whose worker is known to be gone: it waits again, fails as poison after `poisonLimit` lost
  /// workers, or ends as what it was told to become.
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
