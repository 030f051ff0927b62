extension Job {
  /// What a request to suspend did.
  public enum SuspendDecision: Sendable, Hashable {
    /// It is suspended.
    case suspended
    /// It is suspending; its worker has to be told.
    case tell(WorkerID, attempt: Int)
    /// It is suspended already; nothing was changed.
    case pointless
    /// Its status forbids it.
    case rejected(StatusTransitionError)
  }

  /// What a request to resume did.
  public enum ResumeDecision: Sendable, Hashable {
    /// It waits again.
    case resumed
    /// It need not be resumed: it waits or runs already.
    case pointless
    /// Its status forbids it.
    case rejected(StatusTransitionError)
  }

  /// Suspends the job: at once where nobody runs it, through its worker otherwise. Whether its type can be suspended is
  /// for the caller to know.
  public mutating func suspend(at now: Timestamp) -> SuspendDecision {
    switch status {
    case .initializing, .waiting:
      rest(at: now)
      return .suspended
    case .running, .locked, .suspending:
      if status != .suspending { move(to: .suspending, at: now) }
      guard let worker else {
        rest(at: now)
        return .suspended
      }
      return .tell(worker, attempt: attempt)
    case .suspended:
      return .pointless
    case .canceling, .resuming, .skipped, .canceled, .failed, .timedOut, .completed:
      return .rejected(StatusTransitionError(from: status, to: .suspending))
    }
  }

  /// Lets a suspended job wait again; a time for which it was scheduled still counts.
  public mutating func resume(at now: Timestamp) -> ResumeDecision {
    switch StatusTransition(from: status, to: .resuming) {
    case .apply:
      move(to: .resuming, at: now)
      wait(until: max(scheduledAt, now), at: now, because: "resumed")
      return .resumed
    case .ignore where status == .resuming:
      wait(until: max(scheduledAt, now), at: now, because: "resumed")
      return .resumed
    case .ignore:
      return .pointless
    case .reject(let error):
      return .rejected(error)
    }
  }

  /// Suspended: nobody has it, and no ticket counts.
  mutating func rest(at now: Timestamp) {
    move(to: .suspended, at: now)
    lockedBy = nil
    eta = nil
    claim = nil
  }
}
