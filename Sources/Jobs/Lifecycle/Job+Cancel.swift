extension Job {
  /// What a request to cancel did.
  public enum CancelDecision: Sendable, Hashable {
    /// It is canceled.
    case canceled
    /// It is canceling; its worker has to be told.
    case tell(WorkerID, attempt: Int)
    /// It has ended; nothing was changed.
    case pointless
  }

  /// Cancels the job: at once where nobody runs it, through its worker otherwise.
  ///
  /// - Parameter reason: why, for people.
  public mutating func cancel(at now: Timestamp, reason: String? = nil) -> CancelDecision {
    switch status {
    case .initializing, .waiting, .resuming, .suspended:
      if let reason { details = reason }
      move(to: .canceled, at: now)
      return .canceled
    case .running, .locked, .suspending:
      if let reason { details = reason }
      move(to: .canceling, at: now)
      return tellWorker(at: now)
    case .canceling:
      return tellWorker(at: now)
    case .skipped, .canceled, .failed, .timedOut, .completed:
      return .pointless
    }
  }

  private mutating func tellWorker(at now: Timestamp) -> CancelDecision {
    guard let worker else {
      move(to: .canceled, at: now)
      return .canceled
    }
    return .tell(worker, attempt: attempt)
  }
}
