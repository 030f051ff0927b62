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
  let deadlines: DeadlineQueue
  let condition: WorkerCondition
  /// Takes the worker out of service, or its queue that the job came from, before the job goes back.
  let onTrouble: @Sendable (WorkerTrouble, JobQueueName) async -> Void
  let logger: Logger

  /// What belongs to one attempt.
  private struct Course: Sendable {
    let assignment: JobAssignment
    let type: RegisteredJobType
    let queue: JobQueueName
    let attempt: Attempt
    let box: ProgressBox
    let teller: StateTeller?
    let logger: Logger
  }

  /// Runs the callback, and reports how it ended.
  ///
  /// A callback that ignores its time-out is given the grace period; then the time-out is reported, so that nobody waits for
  /// the job any longer, but it keeps its slot and its delivery until it ends: it does still run. How it ends then is not
  /// reported. A canceled one that ignores that stays `canceling` for as long as it runs.
  ///
  /// - Parameter queue: the one that the job came from, which need not be its type's any longer; that one when it is `nil`.
  func run(
    _ assignment: JobAssignment, _ type: RegisteredJobType, _ attempt: Attempt,
    from queue: JobQueueName? = nil
  ) async -> Ending {
    let box = ProgressBox(onFirst: attempt.progressed)
    let teller = StateTeller(type, assignment)
    let context = JobContext(
      assignment: assignment, logger: logger, link: link(assignment, attempt, box, teller))
    let course = Course(
      assignment: assignment, type: type, queue: queue ?? type.group.queue, attempt: attempt,
      box: box, teller: teller,
      logger: context.logger)
    teller?.tell(.running)
    attempt.start { try await type.execute(assignment.params, context) }

    let timeout = assignment.allowance.map { allowance in
      deadlines.after(allowance) { attempt.order(.timeOut) }
    }
    let outcome = await withTaskGroup { group in
      let outcome = await settle(course, &group)
      group.cancelAll()
      // A progress that is under way comes before the outcome.
      await group.waitForAll()
      return outcome
    }
    deadlines.cancel(timeout)
    let ending = await finish(outcome, course)
    if await teller?.finish(within: settings.grace, deadlines) == false {
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

  /// Waits for the end. Of the group it makes use when there is progress to be passed on.
  private func settle(_ course: Course, _ group: inout TaskGroup<Void>) async -> Settled {
    let (assignment, attempt) = (course.assignment, course.attempt)
    var wait = EndWait(deadlines, condition)
    defer { wait.end(of: assignment.job) }
    var reported: JobOutcome?
    for await event in attempt.events {
      switch event {
      case .progressed:
        let reporter = reporter(of: course)
        group.addTask { await reporter.run() }
      case .ordered(let orders):
        if orders.contains(.cancel) {
          course.teller?.tell(.canceling)
        } else if orders.contains(.suspend) {
          course.teller?.tell(.suspending)
        }
        wait.begin(max(settings.grace, course.type.grace), attempt.isOverdue)
      case .released:
        course.teller?.tell(.running)
      case .ended(let result, let orders):
        if case .failure(let trouble as WorkerTrouble) = result {
          await onTrouble(trouble, course.queue)
        }
        let outcome = AttemptOutcome(
          of: amended(result), orders: orders, timeout: assignment.allowance ?? .zero,
          limits: settings.limits)
        course.logger.debug("ended", metadata: ["outcome": "\(outcome)"])
        guard let reported else { return .outcome(outcome) }
        course.logger.warning("ended long after its time-out, which has been reported")
        return .reportedBefore(reported)
      case .overdue:
        course.logger.warning("does not end though it was told to; it keeps its slot")
        wait.isStuck(assignment, course.type, isSettled: attempt.orders.contains(.stop))
        endWorker(unless: &wait, course)
        if attempt.orders.contains(.timeOut), await reportOverdue(course) {
          reported = overdueOutcome(course)
          wait.isStuck(assignment, course.type, isSettled: true)
        }
      case .abandoned:
        course.logger.error("did not end when it was told to; the worker does not wait for it")
        return reported.map(Settled.reportedBefore) ?? .outcome(.silence)
      }
    }
    // The task was cancelled as a whole: the process ends.
    attempt.order(.abandon)
    return .outcome(.silence)
  }

  /// What ends by a signal while its worker is told to end was told so from outside, too: `systemctl restart` signals all
  /// processes.
  private func amended(_ result: Result<JSONValue?, any Error>) -> Result<JSONValue?, any Error> {
    guard case .failure(let failure as CommandFailure) = result, failure.isBySignal,
      sender.lifecycle.phase >= .draining
    else { return result }
    return .failure(Interruption(description: failure.description))
  }

  private func overdueOutcome(_ course: Course) -> JobOutcome {
    AttemptOutcome.overdue(
      timeout: course.assignment.allowance ?? .zero,
      grace: max(settings.grace, course.type.grace))
  }

  private func reportOverdue(_ course: Course) async -> Bool {
    guard course.attempt.orders.isDisjoint(with: [.stop, .abandon]) else { return false }
    let report = course.assignment.report(.ended(overdueOutcome(course)), by: worker)
    return await sender.send([report], of: course.attempt)
  }

  /// Has the worker end itself when the attempt does not end by then.
  private func endWorker(unless wait: inout EndWait, _ course: Course) {
    guard let limit = settings.stuckLimit else { return }
    let (lifecycle, logger) = (sender.lifecycle, course.logger)
    let error = StuckWorkerError(
      job: course.assignment.job, type: course.assignment.type, limit: limit)
    wait.begin(limit) {
      logger.critical("\(error)")
      lifecycle.fail(error)
    }
  }

  private func finish(_ settled: Settled, _ course: Course) async -> Ending {
    let (assignment, attempt) = (course.assignment, course.attempt)
    switch settled {
    case .outcome(.silence):
      return .silent
    case .reportedBefore(let outcome):
      course.teller?.tell(outcome, after: attempt.orders)
      return .reported
    case .outcome(.report(let outcome)):
      let last = course.box.take()?.bounded(by: settings.limits)
      let reports = [last.map(JobReport.Content.progress), .ended(outcome)].compactMap(\.self)
      let isReported = await sender.send(
        reports.map { assignment.report($0, by: worker) }, of: attempt)
      if isReported { course.teller?.tell(outcome, after: attempt.orders, last) }
      return isReported ? .reported : .silent
    }
  }

  private func reporter(of course: Course) -> ProgressReporter<Authority> {
    ProgressReporter(
      authority: authority, box: course.box, teller: course.teller,
      interval: settings.progressInterval, limits: settings.limits,
      report: { [assignment = course.assignment, worker] in
        assignment.report(.progress($0), by: worker)
      }, logger: course.logger)
  }

  /// Gives a job back that cannot be run here.
  func giveBack(_ assignment: JobAssignment, _ attempt: Attempt) async -> Ending {
    let report = assignment.report(.ended(.returned), by: worker)
    return await sender.send([report], of: attempt) ? .reported : .silent
  }
}

/// The wait for an attempt that was told to end, in two steps: the grace period, and then the time for which it may be stuck.
private struct EndWait {
  private let deadlines: DeadlineQueue
  private let condition: WorkerCondition
  private var deadline: DeadlineQueue.ID?
  private var stuckSince: Timestamp?

  init(_ deadlines: DeadlineQueue, _ condition: WorkerCondition) {
    self.deadlines = deadlines
    self.condition = condition
  }

  /// The first order counts: a further one gives no more time.
  mutating func begin(_ limit: Duration, _ action: @escaping @Sendable () -> Void) {
    guard deadline == nil else { return }
    deadline = deadlines.after(limit, do: action)
  }

  mutating func isStuck(
    _ assignment: JobAssignment, _ type: RegisteredJobType, isSettled: Bool
  ) {
    let since = stuckSince ?? .now
    if stuckSince == nil { deadline = nil }
    stuckSince = since
    condition.add(
      StuckAttempt(
        job: assignment.job, attempt: assignment.attempt, type: assignment.type,
        queue: type.group.queue, since: since, isSettled: isSettled))
  }

  func end(of job: JobID) {
    deadlines.cancel(deadline)
    if stuckSince != nil { condition.remove(job) }
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
