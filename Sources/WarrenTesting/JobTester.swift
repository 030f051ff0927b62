import Foundation
import JobMemoryStore
import JobWorker
@_exported public import Jobs
public import Logging
@_exported public import Warren

/// Runs jobs in a test: through the real lifecycle and the real worker, with a store in memory, without a broker, on a clock that
/// stands still until the tester moves it.
///
/// ```swift
/// let tester = JobTester()
/// tester.on(CountWords.self, countWords)               // or the function with which the application adds its jobs
/// let run = try await tester.run(
///   CountWords(path: fixture), faults: .killWorker(at: .progress(2)))
/// #expect(run.result?.total == 8)
/// #expect(run.attempts == 2)
/// ```
///
/// A job that fails is run again as its policy says, and nobody waits for the delay: the tester's time, ``now``, jumps to where
/// something happens. So do time-outs and grace periods, and jobs that sleep on ``clock``. While a callback has something to do, or
/// waits for something that is not the tester's (a file, `Task.sleep`, a signal of the test), time stands still, unless
/// ``advance(by:)`` says otherwise.
///
/// The callbacks of one tester run on one thread, and take turns where they suspend. Tasks that a callback makes with `Task { }`, and
/// actors with an executor of their own, are not seen by the tester: it may move the time while they work.
///
/// It needs no framework for tests, and nothing outside of the process.
public final class JobTester: JobRegistering, JobScheduling {
  let core: TesterCore

  /// - Parameters:
  ///   - start: what time it is at first.
  ///   - capacity: how many jobs of a queue run at the same time.
  ///   - poisonLimit: how many workers a job may cost before it fails.
  ///   - grace: how long a callback may take to end after it was told to, before it counts as stuck; of the tester's time. Also how long
  ///     `prepare`, `willSuspend` and `willResume` may take.
  ///   - mostAttempts: how often a job may be run before that counts as endless.
  ///   - patience: how long is waited for a callback, of the machine's time.
  ///   - middleware: around every job that is scheduled or run, the first outermost: as the service has it.
  ///   - logger: where what is logged goes besides ``JobRecord/log``; nowhere when it is `nil`.
  public init(
    startingAt start: Timestamp = .now, capacity: Int = 10, poisonLimit: Int = 5,
    grace: Duration = .seconds(10), mostAttempts: Int = 100, patience: Duration = .seconds(10),
    middleware: [any JobMiddleware] = [], logger: Logger? = nil
  ) {
    core = TesterCore(
      TesterCore.Settings(
        start: start, capacity: max(1, capacity), poisonLimit: max(1, poisonLimit), grace: grace,
        patience: patience, mostAttempts: max(1, mostAttempts), middleware: middleware),
      logger: logger)
  }

  // MARK: Types

  /// Takes a job type. What cannot be one is told when a job is scheduled or run.
  public func register(_ type: () throws -> RegisteredJobType) {
    let result = Result { try type() }
    core.state.change { state in
      do {
        let type = try result.get()
        if state.registry.queues[type.group.queue] == nil {
          state.registry.register(
            JobQueue(name: type.group.queue, capacity: core.settings.capacity))
        }
        try state.registry.register(type)
        state.types[type.description.id] = type
      } catch {
        state.problems.append("\(error)")
      }
    }
  }

  // MARK: Time

  /// What time it is for the tester's jobs.
  public var now: Timestamp { core.now }

  /// The tester's time as a clock, for jobs that wait.
  public var clock: TesterClock { TesterClock(deadlines: core.deadlines, state: core.state) }

  /// Lets time pass, and runs what becomes due: jobs for later, retries, time-outs, sleeps on ``clock``, each at its own time.
  ///
  /// When this returns, each job that runs waits for something: more time, or something that is not the tester's.
  public func advance(by duration: Duration) async throws {
    try core.checkTypes()
    try await core.drive(.time(core.deadlines.elapsed + max(.zero, duration)))
  }

  // MARK: Running

  /// Runs all that is due now, and what becomes due while it runs, to its end. Jobs for later, retries too, stay; jobs without a
  /// handler as well, as they do where no worker knows their type.
  public func drain() async throws {
    try core.checkTypes()
    try await core.drive(.idle)
  }

  /// Schedules a job, and runs it until it has ended or is suspended. Whatever else is due meanwhile runs as well.
  ///
  /// - Parameters:
  ///   - params: of the job.
  ///   - options: what else there is to say of it: its key, its time-out, when it is due.
  ///   - faults: what happens to it on its way.
  /// - Throws: ``JobTesterError`` when it is refused, or cannot come to its end. How it ends is no error.
  @discardableResult
  public func run<Params: JobParams>(
    _ params: Params, options: JobOptions = JobOptions(), faults: JobFault...
  ) async throws -> JobRun<Params> {
    let receipt = try await core.submit(params, options, faults)
    let id = id(of: receipt)
    try await core.drive(.rest(of: id))
    return try JobRun(record(id))
  }

  /// Schedules a job as a producer in another language does, by the name of its type and by JSON, and runs it.
  @discardableResult
  public func run(_ submission: JobSubmission, faults: JobFault...) async throws -> JobRecord {
    let receipts = try await core.submit([submission], faults)
    return try await finish(id(of: receipts[0]))
  }

  /// Runs a job that was scheduled until it has ended or is suspended; otherwise as ``run(_:options:faults:)``.
  @discardableResult
  public func finish<Params: JobParams>(
    _ job: JobHandle<Params>
  ) async throws -> JobRun<Params> {
    try JobRun(try await finish(id(of: job.receipt)))
  }

  /// Which job its key has made.
  private func id(of receipt: JobReceipt) -> JobID {
    let tenant = receipt.tenant ?? .zero
    return core.store.job(idempotencyKey: receipt.key.uuid, tenant: tenant)?.id ?? receipt.id
  }

  /// Runs a job that was scheduled until it has ended or is suspended.
  @discardableResult
  public func finish(_ id: JobID) async throws -> JobRecord {
    try core.checkTypes()
    try await core.drive(.rest(of: id))
    return try record(id)
  }

  // MARK: Scheduling

  /// Schedules a job without running it. It is refused as the server refuses it: for params that do not fit, for a key that
  /// belongs to another job. With a key that belongs to the same, it is that job.
  ///
  /// A type that has no handler is taken as well, as one that another service runs: see ``scheduled(of:)``. Waiting for the handle's
  /// result, or its progress, runs the job.
  ///
  /// - Parameters:
  ///   - params: of the job.
  ///   - key: two with the same key (within one tenant) are one job.
  ///   - delay: how long it waits before it is due.
  ///   - options: what else there is to say of it.
  ///   - faults: what happens to it when it runs.
  @discardableResult
  public func schedule<Params: JobParams>(
    _ params: Params, key: IdempotencyKey? = nil, after delay: Duration? = nil,
    options: JobOptions = JobOptions(), faults: JobFault...
  ) async throws -> JobHandle<Params> {
    var options = options
    if let key { options.key = key }
    if let delay { options.scheduledAt = now + delay }
    return JobHandle(try await core.submit(params, options, faults), of: self)
  }

  public func submit(_ submissions: [JobSubmission]) async throws -> [JobReceipt] {
    try await core.submit(submissions)
  }

  public var desk: any JobDesk { core.desk }

  /// Lets something happen to the next job of a type that is scheduled: one that another job schedules, say.
  public func inject<Params: JobParams>(_ faults: JobFault..., intoNext params: Params.Type) {
    core.state.change { $0.faults[Params.job.id, default: []] += faults }
  }

  // MARK: What there is

  /// The jobs of a type that were scheduled, by whomever, in their order.
  public func scheduled<Params: JobParams>(
    of params: Params.Type
  ) throws -> [ScheduledRun<Params>] {
    try jobs.filter { $0.type == Params.job.id }.map { try scheduled($0.id) }
  }

  private func scheduled<Params: JobParams>(_ id: JobID) throws -> ScheduledRun<Params> {
    let job = try job(id)
    do {
      return ScheduledRun(
        params: try job.params.decode(as: Params.self), job: job,
        parent: core.state.read { $0.histories[id]?.parent })
    } catch {
      throw JobTesterError.unexpectedValue(id, "its params are no \(Params.self): \(error)")
    }
  }

  /// All jobs as they are now, in the order in which they were scheduled.
  public var jobs: [Job] {
    let order = core.state.read(\.order)
    let jobs = core.store.jobs(order)
    return order.compactMap { jobs[$0] }
  }

  /// A job as it is now.
  public func job(_ id: JobID) throws(JobTesterError) -> Job {
    guard let job = core.store.job(id, tenant: nil) else { throw .unknownJob(id) }
    return job
  }

  /// What has become of a job so far.
  public func record(_ id: JobID) throws(JobTesterError) -> JobRecord {
    let job = try job(id)
    let history = core.state.read { $0.histories[id] ?? .init() }
    return JobRecord(
      job: job, progress: history.progress, snapshots: history.snapshots, log: history.log,
      transitions: core.store.events(of: id, after: 0, limit: .max), children: history.children,
      voidTickets: history.voidTickets)
  }

  // MARK: Commands

  /// Cancels a job: at once where nobody runs it; one that runs is told to end, and does so with the next call that runs jobs.
  ///
  /// - Returns: the job as it is then.
  @discardableResult
  public func cancel(_ id: JobID, reason: String? = nil) throws(JobTesterError) -> Job {
    guard let job = core.cancel(id, tenant: nil, reason: reason) else { throw .unknownJob(id) }
    return job
  }

  /// Suspends a job, after its handler's `willSuspend`; otherwise as ``cancel(_:reason:)``.
  @discardableResult
  public func suspend(_ id: JobID) async throws -> Job {
    let job = try job(id)
    guard core.state.read({ $0.types[job.type]?.description.suspendable ?? false }) else {
      throw JobTesterError.notSuspendable(job.type)
    }
    var wish = job
    switch wish.suspend(at: now) {
    case .pointless: return job
    case .rejected(let error): throw JobTesterError.rejected(id, error)
    case .suspended, .tell: break
    }
    if job.status != .suspending { try await core.call(.suspend, for: job) }
    guard let result = core.suspend(id) else { throw JobTesterError.unknownJob(id) }
    if case .rejected(let error) = result.decision { throw JobTesterError.rejected(id, error) }
    return result.job
  }

  /// Lets a suspended job wait again, after its handler's `willResume` and `prepare`.
  @discardableResult
  public func resume(_ id: JobID) async throws -> Job {
    let job = try job(id)
    var wish = job
    switch wish.resume(at: now) {
    case .pointless: return job
    case .rejected(let error): throw JobTesterError.rejected(id, error)
    case .resumed: break
    }
    for callback in [JobCallback.resume, .initialize] {
      try await core.call(callback, for: job)
    }
    let results = core.store.apply([JobCommand(.resume, of: id)], at: now)
    guard let result = results.first ?? nil else { throw JobTesterError.unknownJob(id) }
    if case .rejected(let error) = result.decision { throw JobTesterError.rejected(id, error) }
    return result.job
  }
}
