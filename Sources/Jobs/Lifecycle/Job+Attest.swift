extension Job {
  /// Whether an attempt that a worker says it runs is the job's.
  public enum Attestation: Sendable, Hashable {
    /// It is, and goes on.
    case kept
    /// It is no longer the job's; whoever runs it shall stop.
    case fenced
  }

  /// Decides on an attempt that is under way in a worker which was away.
  ///
  /// A job that was taken from its worker and that nobody has claimed since is the worker's again.
  public mutating func attest(
    attempt: Int, by worker: WorkerID, at now: Timestamp
  ) -> Attestation {
    guard attempt == self.attempt, worker == self.worker else { return .fenced }
    if status == .waiting, claim != nil { rejoin(at: now) }
    return status.isHeld ? .kept : .fenced
  }

  /// The attempt goes on, though its worker was taken for lost: nobody has claimed the job since.
  mutating func rejoin(at now: Timestamp) {
    move(to: .running, at: now)
    lostWorkers = max(0, lostWorkers - 1)
    details = ""
    eta = latestEnd
  }
}
