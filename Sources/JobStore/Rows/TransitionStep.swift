import Jobs

/// One step of a job's way through the state machine, as the log shows it.
struct TransitionStep: Hashable {
  /// `nil` for the creation.
  let from: JobStatus?
  let to: JobStatus
  let attempt: Int
  let worker: WorkerID?
  let reason: String?

  /// The step that creates the job.
  static func creation(of job: Job) -> TransitionStep {
    TransitionStep(from: nil, to: job.status, after: job)
  }

  /// The steps from one state of a job to another; none when only progress or bookkeeping changed.
  ///
  /// A function of the domain may pass through a status within one change (a claim that takes a job over, a locked job
  /// that completes). The log shows that status too, so that it holds nothing but steps of the state machine.
  static func steps(from before: Job, to after: Job) -> [TransitionStep] {
    if before.status.isHeld, after.status.isHeld, before.attempt != after.attempt {
      let holder = before.worker?.rawValue ?? "unknown"
      return [
        TransitionStep(
          from: before.status, to: .waiting, attempt: before.attempt, worker: before.worker,
          reason: "taken over: its worker \(holder) is gone"),
        TransitionStep(from: .waiting, to: after.status, after: after),
      ]
    }
    guard before.status != after.status else { return [] }
    if !before.status.successors.contains(after.status),
      let between = [JobStatus.running, .resuming, .suspending].first(where: {
        before.status.successors.contains($0) && $0.successors.contains(after.status)
      })
    {
      return [
        TransitionStep(
          from: before.status, to: between, attempt: after.attempt, worker: after.worker,
          reason: nil),
        TransitionStep(from: between, to: after.status, after: after),
      ]
    }
    return [TransitionStep(from: before.status, to: after.status, after: after)]
  }

  private init(from: JobStatus?, to: JobStatus, after job: Job) {
    self.init(
      from: from, to: to, attempt: job.attempt, worker: job.worker, reason: Self.reason(job))
  }

  private init(
    from: JobStatus?, to: JobStatus, attempt: Int, worker: WorkerID?, reason: String?
  ) {
    self.from = from
    self.to = to
    self.attempt = attempt
    self.worker = worker
    self.reason = reason
  }

  /// A failure's error is why; otherwise the details say it.
  private static func reason(_ job: Job) -> String? {
    switch job.status {
    case .failed, .timedOut: job.error
    default: job.details.isEmpty ? nil : job.details
    }
  }
}
