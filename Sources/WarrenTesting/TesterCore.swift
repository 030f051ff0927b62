import Foundation
import JobMemoryStore
import JobWorker
import Jobs
import Logging
import Synchronization

/// The server and the worker of a tester, in one: the store decides, the engine runs, and what goes between them goes through
/// here.
final class TesterCore: Sendable {
  /// The attempt whose callback this task belongs to.
  @TaskLocal static var running: RunningAttempt?

  struct Settings: Sendable {
    var start: Timestamp
    var capacity: Int
    var poisonLimit: Int
    var grace: Duration
    var patience: Duration
    var mostAttempts: Int
    var middleware: [any JobMiddleware]
  }

  private struct Worker: Sendable {
    let engine: WorkerEngine<ReportDoor>
    let isDead: Flag
  }

  let settings: Settings
  let state = SharedState()
  let deadlines = DeadlineQueue.movedByHand()
  let store: MemoryJobStore
  let logger: Logger
  private let executor: CallbackExecutor
  private let worker = Mutex<(number: Int, worker: Worker?)>((0, nil))

  init(_ settings: Settings, logger next: Logger?) {
    self.settings = settings
    executor = CallbackExecutor(state)
    let commits = Commits()
    store = MemoryJobStore { commits.pass($0) }
    logger = Logger(label: "warren.tester") { [state] _ in
      RecordingLogHandler(state: state, next: next)
    }
    commits.receiver.withLock { $0 = { [weak self] in self?.note($0) } }
  }

  var now: Timestamp { settings.start + deadlines.elapsed }

  // MARK: The worker

  private func currentWorker() -> Worker {
    let (worker, isNew) = worker.withLock { current in
      if let worker = current.worker { return (worker, false) }
      current.number += 1
      let worker = makeWorker(WorkerID(rawValue: "tester-\(current.number)"))
      current.worker = worker
      return (worker, true)
    }
    if isNew {
      _ = store.register(WorkerRegistration(worker: worker.engine.worker, epoch: 1), at: now)
    }
    return worker
  }

  private func makeWorker(_ id: WorkerID) -> Worker {
    let isDead = Flag()
    let door = ReportDoor(
      report: { [weak self] reports in
        guard let self, !isDead.isSet else { return "the worker was killed" }
        return report(reports, isDead)
      },
      lock: { [weak self] requests in
        guard let self, !isDead.isSet else { return nil }
        return store.lock(requests, at: now)
      })
    return Worker(
      engine: WorkerEngine(
        worker: id, authority: door, deadlines: deadlines, grace: settings.grace,
        pause: { [weak self] in await self?.pause($0) },
        onTrouble: { [weak self] trouble in
          self?.state.change { $0.failure = .workerTrouble("\(trouble)") }
        }, logger: logger),
      isDead: isDead)
  }

  /// Waits before something is reported again.
  private func pause(_ duration: Duration) async {
    let (signals, signal) = AsyncStream.makeStream(of: Void.self)
    let id = state.change { $0.newID() }
    // Together with the end of the pause, so that what is about to go on does not count as waiting.
    let end: @Sendable () -> Void = { [state] in
      state.change { $0.pauses[id] = nil }
      signal.finish()
    }
    let deadline = deadlines.after(duration, do: end)
    state.change { $0.pauses[id] = end }
    for await _ in signals {}
    deadlines.cancel(deadline)
  }

  private func kill() {
    guard
      let worker = worker.withLock({ current in
        defer { current.worker = nil }
        return current.worker
      })
    else { return }
    worker.isDead.set()
    let pauses = state.change { state in
      for attempt in state.runs.keys { state.change(attempt) { $0.isAbandoned = true } }
      return state.pauses.values
    }
    worker.engine.kill()
    for end in pauses { end() }
    _ = store.lose(
      worker.engine.worker, except: [], poisonLimit: settings.poisonLimit, at: now)
  }

  // MARK: Claims

  /// Runs what is due, as far as there is room.
  ///
  /// - Returns: whether anything was begun.
  func startDue() throws(JobTesterError) -> Bool {
    _ = store.promote(at: now, limit: .max)
    let types = state.read(\.types)
    var hasBegun = false
    let queues = Set(store.due().filter { types[$0.type] != nil }.map(\.queue))
    for queue in queues.sorted() {
      let taken = state.read { state in state.runs.values.count { $0.queue == queue } }
      guard taken < settings.capacity else { continue }
      if try claim(settings.capacity - taken, from: queue, types) { hasBegun = true }
    }
    return hasBegun
  }

  private func claim(
    _ count: Int, from queue: JobQueueName, _ types: [JobTypeID: RegisteredJobType]
  ) throws(JobTesterError) -> Bool {
    let worker = currentWorker()
    let request = ClaimRequest(
      worker: worker.engine.worker, epoch: 1, queue: queue, count: count,
      types: types.keys.sorted())
    let answers = store.claim([request], bytes: .max, at: now)
    let jobs = answers.flatMap(\.jobs)
    for assignment in jobs {
      if assignment.attempt > settings.mostAttempts,
        let job = store.job(assignment.job, tenant: nil)
      {
        throw .tooManyAttempts(
          job.id, job.type, settings.mostAttempts,
          last: job.error ?? "nothing is known of why")
      }
      start(assignment, types[assignment.type], in: worker, queue)
    }
    for assignment in jobs where takeFault(of: assignment.job, [.deliverTwice], at: nil) != nil {
      deliverAgain(assignment, queue, types)
    }
    return !jobs.isEmpty
  }

  private func start(
    _ assignment: JobAssignment, _ type: RegisteredJobType?, in worker: Worker,
    _ queue: JobQueueName
  ) {
    guard let type else { return }
    let attempt = RunningAttempt(job: assignment.job, attempt: assignment.attempt)
    state.change { $0.runs[attempt] = TesterState.Run(queue: queue) }
    let isBegun = worker.engine.start(assignment, watched(type)) { [weak self] in
      self?.state.change { state in state.change(attempt) { $0.isEnded = true } }
    }
    if !isBegun { state.change { $0.runs[attempt] = nil } }
  }

  /// The same ticket comes once more: its claim must not get the job.
  private func deliverAgain(
    _ assignment: JobAssignment, _ queue: JobQueueName, _ types: [JobTypeID: RegisteredJobType]
  ) {
    let worker = currentWorker()
    let request = ClaimRequest(
      worker: worker.engine.worker, epoch: 1, queue: queue, count: 1, types: types.keys.sorted())
    let jobs = store.claim([request], bytes: .max, at: now).flatMap(\.jobs)
    for other in jobs { start(other, types[other.type], in: worker, queue) }
    if !jobs.contains(where: { $0.job == assignment.job }) {
      state.change { $0.histories[assignment.job, default: .init()].voidTickets += 1 }
    }
  }

  // MARK: What callbacks do

  /// The type, with a callback whose doings are noted, and whose executor is known.
  private func watched(_ type: RegisteredJobType) -> RegisteredJobType {
    var watched = type
    let execute = type.wrapped(in: settings.middleware).execute
    watched.execute = { [weak self] params, job in
      guard let self else { throw CancellationError() }
      let attempt = RunningAttempt(
        job: job.assignment.job, attempt: job.assignment.attempt)
      return try await withTaskExecutorPreference(executor) {
        try await Self.$running.withValue(attempt) {
          self.state.change { state in state.change(attempt) { $0.phase = .inCallback } }
          // Still on the executor, so that it is never taken for one that waits.
          defer {
            self.state.change { state in state.change(attempt) { $0.phase = .reporting } }
          }
          self.reach(.start, attempt)
          if self.state.read({ $0.runs[attempt]?.isAbandoned ?? true }) {
            throw CancellationError()
          }
          return try await execute(params, self.watched(job, attempt))
        }
      }
    }
    return watched
  }

  private func watched(_ job: JobContext, _ attempt: RunningAttempt) -> JobContext {
    var watched = job
    let link = job.link
    watched.link.scheduling = self
    watched.link.progress = { [weak self] progress in
      guard let self else { return }
      let count = state.change { state in
        state.histories[attempt.job, default: .init()].progress.append(progress)
        state.change(attempt) { run in
          run.progressCount += 1
          if let percent = progress.percent { run.told = percent }
        }
        return state.runs[attempt]?.progressCount ?? 0
      }
      link.progress(progress)
      reach(.progress(count), attempt)
    }
    watched.link.snapshot = { [weak self] snapshot in
      try await self?.counted(attempt) { try await link.snapshot(snapshot) }
      guard let self else { return }
      let count = state.change { state in
        state.histories[attempt.job, default: .init()].snapshots.append(snapshot)
        state.change(attempt) { $0.snapshotCount += 1 }
        return state.runs[attempt]?.snapshotCount ?? 0
      }
      reach(.afterSnapshot(count), attempt)
    }
    watched.link.policy = { [weak self] policy, timeout in
      try await self?.counted(attempt) { try await link.policy(policy, timeout) }
    }
    watched.link.lock = { [weak self] other in
      try await self?.counted(attempt) { try await link.lock(other) }
    }
    return watched
  }

  /// A call of a callback to its worker, during which it does not wait for anything but that.
  private func counted(
    _ attempt: RunningAttempt, _ call: () async throws -> Void
  ) async throws {
    state.change { state in state.change(attempt) { $0.calls += 1 } }
    defer { state.change { state in state.change(attempt) { $0.calls -= 1 } } }
    try await call()
  }

  // MARK: Reports

  /// - Returns: why the worker does not know whether they are kept; `nil` when it does.
  private func report(_ reports: [JobReport], _ isDead: Flag) -> String? {
    var isLost = false
    var isConfirmed = true
    for report in reports {
      guard case .ended = report.content else { continue }
      reach(.beforeReport, RunningAttempt(job: report.job, attempt: report.attempt))
      if takeFault(of: report.job, [.loseReport], at: .beforeReport) != nil { isLost = true }
      if takeFault(of: report.job, [.repeatReport], at: .beforeReport) != nil {
        isConfirmed = false
      }
    }
    defer { noteStored(reports) }
    guard !isLost else { return "the report was lost on its way" }
    // Not beside a kill: a report that comes after its worker was lost would give it the job back.
    let stored = isDead.ifUnset {
      store.report(reports, chances: reports.map { _ in 0.5 }, at: now)
    }
    guard let decisions = stored else { return "the worker was killed" }
    for (report, decision) in zip(reports, decisions) {
      switch decision {
      case .applied, .ignored: break
      case .fenced: currentWorker().engine.follow(.stop(job: report.job, attempt: report.attempt))
      case .refused(let why):
        logger.error(
          "the store does not take a report",
          metadata: ["job": "\(report.job)", "reason": "\(why)"])
      }
    }
    return isConfirmed ? nil : "the confirmation was lost on its way"
  }

  private func noteStored(_ reports: [JobReport]) {
    state.change { state in
      for report in reports {
        guard case .progress(let progress) = report.content, let percent = progress.percent
        else { continue }
        state.change(RunningAttempt(job: report.job, attempt: report.attempt)) {
          $0.stored = percent
        }
      }
    }
  }

  /// What the store tells of its commits.
  private func note(_ commit: StoreCommit) {
    // Whoever waits for a job looks at it again.
    state.change { _ in }
    for change in commit.transitions where change.from == .locked && change.to == .running {
      follow(.released(job: change.job, attempt: change.attempt), change.worker)
    }
  }

  /// Tells a worker; one that is dead hears nothing.
  func follow(_ command: ControlCommand, _ id: WorkerID?) {
    guard let worker = worker.withLock(\.worker), worker.engine.worker == id else { return }
    worker.engine.follow(command)
  }

  /// Calls a callback in the worker, for the server.
  func call(_ callback: JobCallback, for job: Job) async throws(JobTesterError) {
    guard let type = state.read({ $0.types[job.type] }),
      type.description.callbacks.contains(callback)
    else { return }
    let error = await currentWorker().engine.call(
      callback, of: type, job.assignment, limit: settings.grace)
    guard let error else { return }
    throw callback == .initialize && job.status == .initializing
      ? .refused(job.type, error) : .callbackFailed(job.type, callback, error)
  }

  // MARK: Faults

  /// An attempt has come to a point: what is to happen there happens, before this returns.
  private func reach(_ point: JobFault.Point, _ attempt: RunningAttempt) {
    while let fault = takeFault(of: attempt.job, nil, at: point) {
      switch fault.action {
      case .killWorker:
        // What its worker says of it is not the callback's. What else is to happen here, happens to the next attempt.
        return Self.$running.withValue(nil) { kill() }
      case .cancel(let reason): cancel(attempt.job, tenant: nil, reason: reason)
      case .suspend: suspend(attempt.job)
      case .timeOut: timeOut(attempt)
      case .deliverTwice, .loseReport, .repeatReport: break
      }
    }
  }

  /// - Parameter actions: those that are meant; `nil` for all that happen by themselves.
  private func takeFault(
    of job: JobID, _ actions: [JobFault.Action]?, at point: JobFault.Point?
  ) -> JobFault? {
    state.change { state in
      guard var history = state.histories[job] else { return nil }
      let index = history.faults.firstIndex { fault in
        fault.point == point && (actions?.contains(fault.action) ?? fault.action.isImmediate)
      }
      guard let index else { return nil }
      defer { state.histories[job] = history }
      return history.faults.remove(at: index)
    }
  }

  @discardableResult
  func cancel(_ id: JobID, tenant: UUID?, reason: String?) -> Job? {
    apply(.cancel(reason: reason), id, tenant: tenant) {
      .cancel(job: $0, attempt: $1, reason: reason)
    }?.job
  }

  @discardableResult
  func suspend(_ id: JobID) -> JobCommand.Result? {
    guard let job = store.job(id, tenant: nil) else { return nil }
    guard state.read({ $0.types[job.type]?.description.suspendable ?? false }) else {
      state.change {
        $0.failure = .impossibleFault(id, "\(job.type) is not declared as suspendable")
      }
      return nil
    }
    return apply(.suspend, id, tenant: nil) { .suspend(job: $0, attempt: $1) }
  }

  private func apply(
    _ action: JobCommand.Action, _ id: JobID, tenant: UUID?,
    _ command: (JobID, Int) -> ControlCommand
  ) -> JobCommand.Result? {
    guard
      let result = store.apply([JobCommand(action, of: id, tenant: tenant)], at: now).first
        ?? nil
    else { return nil }
    if case .tell(let worker, let attempt) = result.decision {
      follow(command(id, attempt), worker)
    }
    return result
  }

  private func timeOut(_ attempt: RunningAttempt) {
    guard let job = store.job(attempt.job, tenant: nil), job.timeout > .zero,
      let start = job.attemptStartedAt
    else {
      state.change { $0.failure = .impossibleFault(attempt.job, "it has no time-out") }
      return
    }
    deadlines.move(by: max(.zero, start + job.timeout - now))
  }
}

extension JobFault.Action {
  /// Whether it happens where its point is reached, whatever else goes on there.
  fileprivate var isImmediate: Bool {
    switch self {
    case .killWorker, .cancel, .suspend, .timeOut: true
    case .deliverTwice, .loseReport, .repeatReport: false
    }
  }
}

/// Through which the engine reaches the store.
struct ReportDoor: JobAuthority {
  /// - Returns: why it is not known whether they are kept.
  let report: @Sendable ([JobReport]) -> String?
  let lock: @Sendable ([LockRequest]) -> [LockAnswer]?

  /// The tester claims by itself.
  func claim(_ requests: [ClaimRequest]) async throws(AuthorityError) -> [ClaimAnswer] { [] }

  func lock(_ requests: [LockRequest]) async throws(AuthorityError) -> [LockAnswer] {
    guard let answers = lock(requests) else { throw AuthorityError("the worker was killed") }
    return answers
  }

  func report(_ reports: [JobReport]) async throws(AuthorityError) {
    if let failure = report(reports) { throw AuthorityError(failure) }
  }
}

/// Something that happens once.
final class Flag: Sendable {
  private let state = Mutex(false)

  var isSet: Bool { state.withLock(\.self) }
  func set() { state.withLock { $0 = true } }

  /// Does something, unless the flag is set; it is not set meanwhile.
  func ifUnset<Answer>(_ body: () -> Answer) -> Answer? {
    state.withLock { $0 ? nil : body() }
  }
}

/// Passes on what the store tells, to a receiver that is there only after the store.
private final class Commits: Sendable {
  let receiver = Mutex<(@Sendable (StoreCommit) -> Void)?>(nil)

  func pass(_ commit: StoreCommit) {
    receiver.withLock(\.self)?(commit)
  }
}
