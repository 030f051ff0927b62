package import Jobs
package import Logging

/// What of a worker runs jobs, without the queues that it takes them from: for tests of jobs, which run them as a worker
/// does, on a clock that they move.
package struct WorkerEngine<Authority: JobAuthority>: Sendable {
  /// What its authority knows it by.
  package let worker: WorkerID
  private let attempts = AttemptsAtHand()
  private let lifecycle = WorkerLifecycle()
  private let deadlines: DeadlineQueue
  private let authority: BatchingAuthority<Authority>
  private let executor: Executor<BatchingAuthority<Authority>>
  private let logger: Logger

  /// - Parameters:
  ///   - deadlines: its time.
  ///   - grace: how long a callback may take to end after it was told to.
  ///   - pause: waits before a report that was not taken is handed over again.
  ///   - onTrouble: a callback cannot do its work in this worker.
  package init(
    worker: WorkerID, authority: Authority, deadlines: DeadlineQueue, grace: Duration,
    pause: @escaping @Sendable (Duration) async -> Void,
    onTrouble: @escaping @Sendable (WorkerTrouble) async -> Void, logger: Logger
  ) {
    self.worker = worker
    self.deadlines = deadlines
    self.logger = logger
    self.authority = BatchingAuthority(authority)
    executor = Executor(
      authority: self.authority, worker: worker,
      settings: ExecutionSettings(progressInterval: .zero, grace: grace),
      sender: ReportSender(
        authority: self.authority, keep: { [attempts] in attempts.keep($0) }, lifecycle: lifecycle,
        pause: pause, logger: logger),
      deadlines: deadlines, condition: WorkerCondition(),
      onTrouble: { trouble, _ in await onTrouble(trouble) }, logger: logger)
  }

  /// Runs what a claim was granted.
  ///
  /// - Parameter onEnd: called once, when the attempt has ended, or is not waited for any longer, and all is told.
  /// - Returns: whether it is run: what runs here already is not run twice.
  package func start(
    _ assignment: JobAssignment, _ type: RegisteredJobType, onEnd: @escaping @Sendable () -> Void
  ) -> Bool {
    guard let attempt = attempts.begin([assignment], of: attempts.beginClaim()).first ?? nil else {
      return false
    }
    executor.start(assignment, type, attempt) { [attempts] _ in
      attempts.leave(assignment.running)
      onEnd()
    }
    return true
  }

  /// Obeys a command of the server's; those that are about the broker mean nothing here.
  package func follow(_ command: ControlCommand) {
    switch command {
    case .cancel(let job, let attempt, let reason):
      attempts.tell(RunningAttempt(job: job, attempt: attempt), .cancel, because: reason)
    case .suspend(let job, let attempt):
      attempts.tell(RunningAttempt(job: job, attempt: attempt), .suspend)
    case .stop(let job, let attempt):
      attempts.stop(RunningAttempt(job: job, attempt: attempt))
    case .released(let job, let attempt):
      attempts.release(RunningAttempt(job: job, attempt: attempt))
    case .announce, .ping, .renew, .wake, .confirm, .reportAgain, .call: break
    }
  }

  /// Calls a callback for the server.
  ///
  /// - Returns: why it failed; `nil` when it has not.
  package func call(
    _ callback: JobCallback, of type: RegisteredJobType, _ assignment: JobAssignment,
    limit: Duration
  ) async -> String? {
    guard let body = type.callback(callback) else { return nil }
    let runner = CallbackRunner(
      worker: worker, registry: JobRegistry(), limit: limit, report: authority.report,
      limits: executor.settings.limits, deadlines: deadlines, logger: logger)
    guard case .failed(let message) = await runner.run(body, callback, assignment) else {
      return nil
    }
    return message
  }

  /// Ends it as `kill -9` does, as far as a process can do that to itself: nothing that still runs is heard any more.
  package func kill() {
    lifecycle.advance(to: .leaving)
    attempts.orderAll(.abandon)
  }
}
