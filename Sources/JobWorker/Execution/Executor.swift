import Jobs
import Logging

/// Runs one attempt: callback, time-out, progress, outcome.
struct Executor<Authority: JobAuthority>: Sendable {
  /// How an attempt ended for its worker.
  enum Ending: Sendable {
    /// The outcome is durable.
    case reported
    /// Nothing was, or could be, reported.
    case silent
  }

  let authority: Authority
  let worker: WorkerID
  let settings: ExecutionSettings
  let sender: ReportSender<Authority>
  let logger: Logger

  /// Runs the callback, and reports how it ended.
  ///
  /// A callback that ignores its time-out is given the grace period; then the time-out is reported, so that nobody waits for
  /// the job any longer, but it keeps its slot and its delivery until it ends: it does still run. How it ends then is not
  /// reported. A canceled one that ignores that stays `canceling` for as long as it runs.
  func run(_ assignment: JobAssignment, _ type: RegisteredJobType, _ attempt: Attempt) async
    -> Ending
  {
    let box = ProgressBox()
    let teller = StateTeller(type, assignment)
    let context = JobContext(
      assignment: assignment, logger: logger, link: link(assignment, attempt, box, teller))
    teller?.tell(.running)
    attempt.start { try await type.execute(assignment.params, context) }

    let timeout = assignment.allowance
    let outcome = await withTaskGroup { group in
      group.addTask { await reporter(of: assignment, box, teller, context.logger).run() }
      if let timeout { group.addTask { await watch(attempt, timeout) } }
      let outcome = await settle(assignment, attempt, teller, context.logger)
      group.cancelAll()
      // A progress that is under way comes before the outcome.
      await group.waitForAll()
      return outcome
    }
    let ending = await finish(outcome, assignment, attempt, box, teller)
    if await teller?.finish(within: settings.grace) == false {
      context.logger.warning("the state-update callback takes too long; it is left alone")
    }
    return ending
  }

  /// What the callback tells on its way. Reports of one worker are applied in their order, so that a snapshot is there when
  /// the outcome is.
  private func link(
    _ assignment: JobAssignment, _ attempt: Attempt, _ box: ProgressBox, _ teller: StateTeller?
  ) -> JobLink {
    @Sendable func keep(_ content: JobReport.Content) async throws {
      guard await sender.send([assignment.report(content, by: worker)], of: attempt) else {
        throw CancellationError()
      }
    }
    return JobLink(
      progress: { box.put($0) },
      snapshot: { snapshot in
        try settings.limits.check(snapshot)
        try await keep(.snapshot(snapshot))
      },
      policy: { policy, timeout in
        try await keep(.policy(policy, timeout: timeout?.milliseconds))
        teller?.allow(retries: policy.maxRetries)
      },
      lock: { other in
        let request = LockRequest(
          job: assignment.job, attempt: assignment.attempt, worker: worker, by: other)
        if case .refused(let error) = try await decide(request) { throw error }
        teller?.tell(other == nil ? .running : .locked)
      })
  }

  /// Asks until there is an answer: a job does not fail because the server is away.
  private func decide(_ request: LockRequest) async throws -> LockAnswer? {
    while true {
      do throws(AuthorityError) {
        return try await authority.lock([request]).first
      } catch {
        logger.notice(
          "a lock was not answered; it is asked again",
          metadata: ["job": "\(request.job)", "error": "\(error)"])
      }
      // Ends with the attempt's task.
      try await Task.sleep(for: .milliseconds(500) * Double.random(in: 1...2))
    }
  }

  private enum Settled {
    case outcome(AttemptOutcome)
    case reportedBefore(JobOutcome)
  }

  /// Waits for the end.
  private func settle(
    _ assignment: JobAssignment, _ attempt: Attempt, _ teller: StateTeller?, _ logger: Logger
  ) async -> Settled {
    let timeout = assignment.allowance ?? .zero
    var reported: JobOutcome?
    for await event in attempt.events {
      switch event {
      case .ordered(let orders):
        if orders.contains(.cancel) {
          teller?.tell(.canceling)
        } else if orders.contains(.suspend) {
          teller?.tell(.suspending)
        }
      case .released:
        teller?.tell(.running)
      case .ended(let result, let orders):
        let outcome = AttemptOutcome(
          of: result, orders: orders, timeout: timeout, limits: settings.limits)
        logger.debug("ended", metadata: ["outcome": "\(outcome)"])
        guard let reported else { return .outcome(outcome) }
        logger.warning("ended long after its time-out, which has been reported")
        return .reportedBefore(reported)
      case .overdue:
        logger.warning("does not end though its time is over", metadata: ["timeout": "\(timeout)"])
        let late = AttemptOutcome.overdue(timeout: timeout, grace: settings.grace)
        guard attempt.orders.isDisjoint(with: [.stop, .abandon]) else { continue }
        if await sender.send([assignment.report(.ended(late), by: worker)], of: attempt) {
          reported = late
        }
      case .abandoned:
        logger.error("did not end when it was told to; the worker does not wait for it")
        return reported.map(Settled.reportedBefore) ?? .outcome(.silence)
      }
    }
    // The task was cancelled as a whole: the process ends.
    attempt.order(.abandon)
    return .outcome(.silence)
  }

  private func finish(
    _ settled: Settled, _ assignment: JobAssignment, _ attempt: Attempt, _ box: ProgressBox,
    _ teller: StateTeller?
  ) async -> Ending {
    switch settled {
    case .outcome(.silence):
      return .silent
    case .reportedBefore(let outcome):
      teller?.tell(outcome, after: attempt.orders)
      return .reported
    case .outcome(.report(let outcome)):
      let last = box.take()?.bounded(by: settings.limits)
      let reports = [last.map(JobReport.Content.progress), .ended(outcome)].compactMap(\.self)
      let isReported = await sender.send(
        reports.map { assignment.report($0, by: worker) }, of: attempt)
      if isReported { teller?.tell(outcome, after: attempt.orders, last) }
      return isReported ? .reported : .silent
    }
  }

  private func watch(_ attempt: Attempt, _ timeout: Duration) async {
    // Cancelled when the attempt has ended.
    guard (try? await Task.sleep(for: timeout)) != nil else { return }
    attempt.order(.timeOut)
    guard (try? await Task.sleep(for: settings.grace)) != nil else { return }
    attempt.isOverdue()
  }

  private func reporter(
    of assignment: JobAssignment, _ box: ProgressBox, _ teller: StateTeller?, _ logger: Logger
  ) -> ProgressReporter<Authority> {
    ProgressReporter(
      authority: authority, box: box, teller: teller, interval: settings.progressInterval,
      limits: settings.limits,
      report: { assignment.report(.progress($0), by: worker) }, logger: logger)
  }
}

extension JobAssignment {
  /// How long the attempt may take; `nil` without limit.
  fileprivate var allowance: Duration? {
    timeoutMilliseconds > 0 ? min(.milliseconds(timeoutMilliseconds), .longest) : nil
  }

  func report(_ content: JobReport.Content, by worker: WorkerID) -> JobReport {
    JobReport(job: job, attempt: attempt, worker: worker, content: content)
  }
}

extension Executor {
  /// Gives a job back that cannot be run here.
  func giveBack(_ assignment: JobAssignment, _ attempt: Attempt) async -> Ending {
    let report = assignment.report(.ended(.returned), by: worker)
    return await sender.send([report], of: attempt) ? .reported : .silent
  }
}
