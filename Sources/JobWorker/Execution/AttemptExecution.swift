import Jobs
import Logging
import Synchronization

/// One attempt from its start to its report.
final class AttemptExecution<Authority: JobAuthority>: AttemptObserver {
  private struct State {
    /// The callback has ended, or is not waited for: nothing more is begun.
    var isOver = false
    /// Made with the first progress.
    var progress: ProgressReporter?
    var log: AttemptLog?
    /// Of the wait for its end after it was told to: first the grace period, then the time for which it may be stuck.
    var deadline: DeadlineQueue.ID?
    var isStuck = false
    /// Of the next look for a sign of life, where its type has a stall time-out.
    var nextLook: DeadlineQueue.ID?
    /// Reports that it has run out of time and does not end; the value is whether that is durable.
    var overdueReport: Task<Bool, Never>?
    /// Made with the first job that the callback schedules, or the first snapshot of one that may.
    var childIDs: ChildIDs?
    /// How many calls to the server the callback waits for: meanwhile it cannot say anything.
    var calls = 0
  }

  private let executor: Executor<Authority>
  private let assignment: JobAssignment
  private let type: RegisteredJobType
  private let attempt: Attempt
  private let queue: JobQueueName
  private let updates: StateUpdates?
  private let timeout: DeadlineQueue.ID?
  private let onEnd: @Sendable (Executor<Authority>.Ending) async -> Void
  private let state = Mutex(State())
  /// When the callback has last said something, by the clock of the deadlines.
  private let lastSign = Atomic<UInt64>(0)

  init(
    _ executor: Executor<Authority>, _ assignment: JobAssignment, _ type: RegisteredJobType,
    _ attempt: Attempt, queue: JobQueueName,
    onEnd: @escaping @Sendable (Executor<Authority>.Ending) async -> Void
  ) {
    self.executor = executor
    self.assignment = assignment
    self.type = type
    self.attempt = attempt
    self.queue = queue
    self.onEnd = onEnd
    updates = StateUpdates(type, assignment)
    timeout = assignment.allowance.map { allowance in
      executor.deadlines.after(allowance) { attempt.order(.timeOut) }
    }
  }

  /// With the attempt's metadata. Seldom needed.
  private var logger: Logger {
    JobContext(assignment: assignment, logger: executor.logger).logger
  }
  private var settings: ExecutionSettings { executor.settings }
  private var grace: Duration { max(settings.grace, type.grace) }

  func start() {
    updates?.tell(.running)
    if limit.stall > .zero {
      noteSign()
      look(after: limit.stall)
    }
    attempt.start(self) { early in await self.run(early) }
  }

  private func run(_ early: AttemptOrders) async {
    let context = JobContext(
      assignment: assignment, queue: queue, logger: executor.logger, link: link)
    let result: Result<JSONPayload?, any Error>
    do {
      guard early.isEmpty else {
        ordered(early)
        throw CancellationError()
      }
      result = .success(try await type.execute(assignment.params, context))
    } catch {
      result = .failure(error)
    }
    guard let orders = attempt.end() else { return }
    if case .failure(let trouble as WorkerTrouble) = result {
      await executor.onTrouble(trouble, queue)
    }
    let outcome = AttemptOutcome(
      of: amended(result), orders: orders, limit: limit,
      limits: settings.limits, decide: type.decide)
    if executor.logger.logLevel <= .debug {
      logger.debug("ended", metadata: ["outcome": "\(outcome)"])
    }
    await conclude(outcome)
  }

  /// What ends by a signal while its worker is told to end was told so from outside, too: `systemctl restart` signals all
  /// processes.
  private func amended(_ result: Result<JSONPayload?, any Error>) -> Result<JSONPayload?, any Error>
  {
    guard case .failure(let failure as CommandFailure) = result, failure.isBySignal,
      executor.sender.lifecycle.phase >= .draining
    else { return result }
    return .failure(Interruption(description: failure.description))
  }

  // MARK: What the callback tells on its way

  /// Reports of one worker are applied in their order, so that a snapshot is there when the outcome is.
  private var link: JobLink {
    var link = JobLink(
      progress: { self.note($0) },
      log: { self.note($0) },
      snapshot: { snapshot in
        try self.settings.limits.check(snapshot)
        try await self.called { try await self.keep(.snapshot(snapshot)) }
        self.stands(at: snapshot)
      },
      policy: { policy, timeout in
        try await self.called {
          try await self.keep(.policy(policy, timeout: timeout?.milliseconds))
        }
        self.updates?.allow(retries: policy.maxRetries)
      },
      lock: { other in try await self.called { try await self.lock(by: other) } },
      heartbeat: { self.noteSign() },
      cancelReason: { [attempt] in attempt.cancelReason })
    link.scheduling = settings.scheduling
    link.childID = { self.childID($0) }
    link.loaded = { self.assignment.snapshot.map(self.stands) }
    return link
  }

  private func childID(_ content: String) -> JobID {
    state.withLock { state in
      var ids = state.childIDs ?? ChildIDs(of: assignment.job)
      defer { state.childIDs = ids }
      return ids.next(content)
    }
  }

  private func stands(at snapshot: JSONPayload) {
    guard settings.scheduling != nil else { return }
    state.withLock { state in
      var ids = state.childIDs ?? ChildIDs(of: assignment.job)
      ids.stands(at: snapshot)
      state.childIDs = ids
    }
  }

  /// Waits for the server on behalf of the callback. However long that takes, the callback has not stalled.
  private func called(_ call: () async throws -> Void) async throws {
    state.withLock { $0.calls += 1 }
    defer {
      noteSign()
      state.withLock { $0.calls -= 1 }
    }
    try await call()
  }

  private func note(_ progress: JobProgress) {
    noteSign()
    guard !progress.isEmpty else { return }
    let reporter = state.withLock { state in
      if state.progress == nil, !state.isOver { state.progress = progressReporter() }
      return state.progress
    }
    reporter?.put(progress)
  }

  private func progressReporter() -> ProgressReporter {
    ProgressReporter(
      interval: settings.progressInterval, deadlines: executor.deadlines, logger: logger
    ) { [executor, assignment, updates] progress in
      let progress = progress.bounded(by: executor.settings.limits)
      updates?.tell(nil, progress)
      try await executor.authority.report([
        assignment.report(.progress(progress), by: executor.worker)
      ])
    }
  }

  private func note(_ line: JobLogSet.Line) {
    let log = state.withLock { state in
      if state.log == nil, !state.isOver { state.log = attemptLog() }
      return state.log
    }
    log?.put(line)
  }

  private func attemptLog() -> AttemptLog {
    AttemptLog(
      gathering: settings.logInterval, pause: settings.progressInterval,
      deadlines: executor.deadlines, logger: logger
    ) { [executor, assignment] set in
      try await executor.authority.report([assignment.report(.log(set), by: executor.worker)])
    }
  }

  private func keep(_ content: JobReport.Content) async throws {
    let report = assignment.report(content, by: executor.worker)
    guard await executor.sender.send([report], of: attempt) else { throw CancellationError() }
  }

  private func lock(by other: JobID?) async throws {
    let request = LockRequest(
      job: assignment.job, attempt: assignment.attempt, worker: executor.worker, by: other)
    if case .refused(let error) = try await executor.decide(request) { throw error }
    updates?.tell(other == nil ? .running : .locked)
  }

  // MARK: Whether it says something

  private var limit: AttemptTimeLimit {
    AttemptTimeLimit(
      timeout: assignment.allowance ?? .zero, stall: type.description.stallTimeout)
  }

  /// Sets no deadline: the one that there is finds the sign when its time comes, and is set anew then.
  private func noteSign() {
    guard limit.stall > .zero else { return }
    lastSign.store(executor.deadlines.now, ordering: .relaxed)
  }

  private func look(after time: Duration) {
    state.withLock { state in
      guard !state.isOver else { return }
      state.nextLook = executor.deadlines.after(time) { [weak self] in self?.lookForSign() }
    }
  }

  private func lookForSign() {
    // One that was told to end already gets no other reason.
    guard attempt.orders.isEmpty else { return }
    let now = executor.deadlines.now
    let last = lastSign.load(ordering: .relaxed)
    let silence = Duration.nanoseconds(Int64(clamping: now > last ? now - last : 0))
    if state.withLock({ $0.calls > 0 }) {
      look(after: limit.stall)
    } else if silence >= limit.stall {
      attempt.order(.stall)
    } else {
      look(after: limit.stall - silence)
    }
  }

  // MARK: What it is told

  func ordered(_ orders: AttemptOrders) {
    // Under the lock, so that nothing is told after the end.
    state.withLock { state in
      guard !state.isOver else { return }
      if orders.contains(.cancel) {
        updates?.tell(.canceling)
      } else if orders.contains(.suspend) {
        updates?.tell(.suspending)
      }
      // The first order counts: a further one gives no more time.
      guard state.deadline == nil, !state.isStuck else { return }
      state.deadline = executor.deadlines.after(grace) { [weak self] in self?.isOverdue() }
    }
  }

  func released() {
    state.withLock { if !$0.isOver { updates?.tell(.running) } }
  }

  func abandoned() {
    logger.error("did not end when it was told to; the worker does not wait for it")
    Task { await conclude(.silence) }
  }

  // MARK: One that does not end

  private func isOverdue() {
    let orders = attempt.orders
    let isOver = state.withLock { state in
      guard !state.isOver else { return true }
      state.isStuck = true
      state.deadline = settings.stuckLimit.map { limit in
        let error = StuckWorkerError(job: assignment.job, type: assignment.type, limit: limit)
        return executor.deadlines.after(limit) { [logger, lifecycle = executor.sender.lifecycle] in
          logger.critical("\(error)")
          lifecycle.fail(error)
        }
      }
      let since = Timestamp.now
      note(stuckSince: since, isSettled: orders.contains(.stop))
      guard !orders.isDisjoint(with: .outOfTime), orders.isDisjoint(with: [.stop, .abandon]) else {
        return false
      }
      state.overdueReport = Task { [log = state.log] in
        let contents =
          (await log?.end() ?? []).map(JobReport.Content.log) + [.ended(overdue(orders))]
        let reports = contents.map { assignment.report($0, by: executor.worker) }
        guard await executor.sender.send(reports, of: attempt) else { return false }
        note(stuckSince: since, isSettled: true)
        return true
      }
      return false
    }
    if !isOver { logger.warning("does not end though it was told to; it keeps its slot") }
  }

  private func note(stuckSince since: Timestamp, isSettled: Bool) {
    executor.condition.add(
      StuckAttempt(
        job: assignment.job, attempt: assignment.attempt, type: assignment.type,
        queue: type.group.queue, since: since, isSettled: isSettled))
  }

  private func overdue(_ orders: AttemptOrders) -> JobOutcome {
    AttemptOutcome.overdue(limit, after: orders, grace: grace)
  }

  // MARK: The end

  /// Reports the outcome, unless a time-out has been reported before, and tells whoever wants to know.
  private func conclude(_ outcome: AttemptOutcome) async {
    let (progress, log, overdueReport, isStuck) = state.withLock { state in
      state.isOver = true
      executor.deadlines.cancel(state.deadline)
      executor.deadlines.cancel(state.nextLook)
      return (state.progress, state.log, state.overdueReport, state.isStuck)
    }
    executor.deadlines.cancel(timeout)
    let last = await progress?.end()
    let lines = await log?.end() ?? []
    let isReported = await overdueReport?.value ?? false
    if isStuck { executor.condition.remove(assignment.job) }

    let ending: Executor<Authority>.Ending
    if isReported {
      logger.warning("its time-out has been reported; how it ended is not")
      updates?.tell(overdue(attempt.orders), after: attempt.orders)
      ending = .reported
    } else {
      ending = await report(outcome, last, lines)
    }
    if let updates, await !updates.finish(within: settings.grace, executor.deadlines) {
      logger.warning("the state-update callback takes too long; it is left alone")
    }
    await onEnd(ending)
  }

  private func report(
    _ outcome: AttemptOutcome, _ last: JobProgress?, _ lines: [JobLogSet]
  ) async -> Executor<Authority>.Ending {
    guard case .report(let outcome) = outcome else { return .silent }
    let last = last?.bounded(by: settings.limits)
    var contents = lines.map(JobReport.Content.log)
    if let last { contents.append(.progress(last)) }
    contents.append(.ended(outcome))
    let reports = contents.map { assignment.report($0, by: executor.worker) }
    guard await executor.sender.send(reports, of: attempt) else { return .silent }
    updates?.tell(outcome, after: attempt.orders, last)
    return .reported
  }
}

extension JobAssignment {
  /// How long the attempt may take; `nil` without limit.
  fileprivate var allowance: Duration? {
    timeoutMilliseconds > 0 ? min(.milliseconds(timeoutMilliseconds), .longest) : nil
  }
}
