/// A worker, as the store has to know it before it may claim jobs.
public struct WorkerRegistration: Sendable, Hashable {
  public let worker: WorkerID
  /// Chosen by the worker, and raised by it when it learns that it was taken for lost: claims of an earlier one are refused.
  public let epoch: Int64
  /// What it says that it runs.
  public let running: [RunningAttempt]

  public init(worker: WorkerID, epoch: Int64, running: [RunningAttempt] = []) {
    self.worker = worker
    self.epoch = epoch
    self.running = running
  }
}

/// An attempt of which nothing has been heard for a while.
public struct HeldAttempt: Sendable, Hashable {
  public let attempt: RunningAttempt
  public let worker: WorkerID
  /// Whether the worker was told to end it.
  public let isEnding: Bool

  public init(attempt: RunningAttempt, worker: WorkerID, isEnding: Bool) {
    self.attempt = attempt
    self.worker = worker
    self.isEnding = isEnding
  }
}

/// A final job of whose end somebody has not been told yet.
public struct PendingReply: Sendable, Hashable {
  /// Where to go on looking.
  public let position: Int64
  public let job: Job

  public init(position: Int64, job: Job) {
    self.position = position
    self.job = job
  }
}
