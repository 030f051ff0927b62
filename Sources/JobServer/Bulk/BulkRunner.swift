import Foundation
import Jobs
import Logging
import ServiceLifecycle
import Synchronization

/// Carries out operations on many jobs, a step at a time. A step is one transaction: what it does to its jobs, and that it has.
/// So after whatever end of the server the next one goes on exactly there, and nothing is done twice.
///
/// Steps are small, and after each one others have as much time as it took. Tenants take turns, and so do the operations of a
/// tenant. A step that the store does not take is tried again, with longer and longer pauses, while others go on.
final class BulkRunner: Service {
  /// How many jobs go in one transaction: some 20 ms, which whoever writes may have to wait for.
  static let stepSize = 250
  /// How many bytes of params one step of a retry may bring.
  static let stepBytes = 4 << 20
  /// The shortest pause between two steps.
  static let shortestPause = Duration.milliseconds(1)
  /// How many jobs one step has whose callbacks a worker has to call first; all of them at the same time.
  static let mostCallbacks = 16

  fileprivate struct State {
    /// Operations whose callbacks are under way.
    var busy: Set<UUID> = []
    /// When those may go on that have a rate.
    var pace: [UUID: Duration] = [:]
    var failing = RetrySchedule<UUID>(.brief)
    /// When each had its turn.
    var served: [UUID: Duration] = [:]
    var readFailures = 0
  }

  private let service: JobOperations
  private let state = Mutex(State())

  private var store: any JobStore { service.store }
  private var clock: any ServerClock { service.clock }
  private var log: ServerLog { service.log }

  init(service: JobOperations) {
    self.service = service
  }

  func run() async throws {
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        while !Task.isCancelled {
          let start = self.clock.uptime
          let turns = await self.takeTurns(&group)
          if turns.hasSteps {
            // Whoever asks for more does not take it from the others.
            let pause = max(Self.shortestPause, self.clock.uptime - start)
            guard (try? await self.clock.sleep(for: pause)) != nil else { break }
          }
          guard !Task.isCancelled, turns.next != .zero else { continue }
          await self.service.bulkWork.wait(atMost: turns.next, clock: self.clock)
        }
        group.cancelAll()
      }
    }
  }

  /// A step for each tenant, as far as it has an operation that may go on.
  ///
  /// - Returns: whether there were any, and after how long there may be more to do; `nil` when nothing is to be done before
  ///   something changes.
  private func takeTurns(
    _ group: inout DiscardingTaskGroup
  ) async -> (hasSteps: Bool, next: Duration?) {
    let running: [BulkOperation]
    do {
      running = try await store.runningOperations()
      state.withLock { $0.readFailures = 0 }
    } catch {
      log.count(\.storeFailures)
      log.burst(.error, "bulk operations could not be read", ["error": "\(error)"])
      let pause = state.withLock { state in
        state.readFailures += 1
        return RetryPauses.brief.pause(after: state.readFailures)
      }
      return (false, pause)
    }
    forgetOthers(than: running)
    takeUp(running)
    let turns = next(of: running, at: clock.uptime)
    for operation in turns where !Task.isCancelled { await step(operation, &group) }
    let now = clock.uptime
    let next = state.withLock { state in running.compactMap { state.start(of: $0, at: now) }.min() }
    return (!turns.isEmpty, next)
  }

  private func forgetOthers(than running: [BulkOperation]) {
    let ids = Set(running.map(\.id))
    state.withLock { state in
      for id in state.served.keys where !ids.contains(id) { state.failing.succeed(id) }
      state.pace = state.pace.filter { ids.contains($0.key) }
      state.served = state.served.filter { ids.contains($0.key) }
    }
  }

  /// Goes on with the pace of operations of which another run of the server has done some: its last step took their allowance.
  private func takeUp(_ running: [BulkOperation]) {
    let (now, uptime) = (clock.now, clock.uptime)
    state.withLock { state in
      for operation in running where operation.position > 0 && state.pace[operation.id] == nil {
        guard let rate = operation.request.rate else { continue }
        // Longer than that no step counts, whatever the clock says.
        let longest = Duration.seconds(Double(size(of: operation)) / rate)
        let left = operation.updatedAt + longest - now
        state.pace[operation.id] = uptime + min(max(.zero, left), longest)
      }
    }
  }

  /// Of each tenant the operation whose last turn is longest ago.
  private func next(of running: [BulkOperation], at uptime: Duration) -> [BulkOperation] {
    state.withLock { state in
      var turns: [UUID: BulkOperation] = [:]
      for operation in running where state.start(of: operation, at: uptime) == .zero {
        if let other = turns[operation.tenantID],
          state.lastTurn(of: other) <= state.lastTurn(of: operation)
        {
          continue
        }
        turns[operation.tenantID] = operation
      }
      return turns.values.sorted { state.lastTurn(of: $0) < state.lastTurn(of: $1) }
    }
  }

  // MARK: One step

  private func step(_ operation: BulkOperation, _ group: inout DiscardingTaskGroup) async {
    state.withLock { $0.served[operation.id] = clock.uptime }
    do {
      let page = try await store.candidates(of: operation, limit: size(of: operation))
      let called = page.candidates.count { needsCallback($0, operation.request.action) }
      guard called > 0 else {
        guard let admitted = admitted(page, of: operation) else { return }
        let work = try await items(admitted, of: operation)
        return try await advance(operation, work.items, work.page)
      }
      state.withLock { _ = $0.busy.insert(operation.id) }
      group.addTask {
        await self.callAndAdvance(operation, page.prefix(Self.mostCallbacks))
        self.state.withLock { _ = $0.busy.remove(operation.id) }
        self.service.bulkWork.raise()
      }
    } catch {
      fail(operation, error)
    }
  }

  /// As many of the jobs to be retried as their tenant may submit now; `nil` where it has to wait until there is one.
  private func admitted(_ page: BulkPage, of operation: BulkOperation) -> BulkPage? {
    guard operation.request.action == .retry, !page.candidates.isEmpty,
      let room = service.intake.rates.take(
        page.candidates.count, of: operation.tenantID, at: clock.uptime)
    else { return page }
    guard room.taken == 0 else { return page.prefix(room.taken) }
    state.withLock {
      $0.pace[operation.id] = clock.uptime + (room.exceeded.retryAfter ?? .seconds(1))
    }
    return nil
  }

  /// With a rate, what comes to about a second.
  private func size(of operation: BulkOperation) -> Int {
    guard let rate = operation.request.rate else { return Self.stepSize }
    return min(max(1, Int(min(rate, Double(Self.stepSize)))), Self.stepSize)
  }

  private func advance(
    _ operation: BulkOperation, _ items: [BulkStep.Item], _ page: BulkPage
  ) async throws(StoreError) {
    let step = BulkStep(of: operation, to: page.next, items: items, isLast: page.isLast)
    let progress = try await store.advance(step, at: clock.now)
    state.withLock { state in
      state.failing.succeed(operation.id)
      guard let rate = operation.request.rate else { return }
      let now = clock.uptime
      let due = max(state.pace[operation.id] ?? now, now)
      state.pace[operation.id] = due + .seconds(Double(items.count) / rate)
    }
    // It was canceled meanwhile.
    guard let progress else { return }
    for result in progress.told { tell(result) }
    // Jobs of types with an init callback are looked at first.
    if operation.request.action == .retry { service.initializer.wake() }
    if progress.operation.status != .running {
      log.logger.info("a bulk operation has ended", metadata: progress.operation.metadata)
    }
  }

  private func tell(_ result: JobCommand.Result) {
    guard case .tell(let worker, let attempt) = result.decision else { return }
    let job = result.job
    switch job.status {
    case .canceling:
      service.tell(worker, .cancel(job: job.id, attempt: attempt, reason: job.cancelReason))
    default: service.tell(worker, .suspend(job: job.id, attempt: attempt))
    }
  }

  private func fail(_ operation: BulkOperation, _ error: any Error) {
    state.withLock { $0.failing.fail(operation.id, at: clock.uptime) }
    log.count(\.storeFailures)
    log.burst(
      .error, "a step of a bulk operation has failed; it is tried again",
      ["operation": "\(operation.id)", "error": "\(error)"])
  }

  // MARK: What is done to each job

  /// - Returns: what is to be done, and the part of the page that it is about.
  private func items(
    _ page: BulkPage, of operation: BulkOperation
  ) async throws(StoreError) -> (items: [BulkStep.Item], page: BulkPage) {
    let request = operation.request
    switch request.action {
    case .cancel:
      let items = page.candidates.map {
        BulkStep.Item(.command(.cancel(reason: request.reason)), of: $0.job)
      }
      return (items, page)
    case .delete: return (page.candidates.map { BulkStep.Item(.delete, of: $0.job) }, page)
    case .resume:
      return (page.candidates.map { BulkStep.Item(.command(.resume), of: $0.job) }, page)
    case .suspend:
      let items = page.candidates.map { candidate in
        BulkStep.Item(
          description(candidate)?.suspendable == true
            ? .command(.suspend) : .settled(.skipped), of: candidate.job)
      }
      return (items, page)
    case .retry:
      let jobs = page.candidates.map(\.job)
      let old = try await store.submitted(jobs, bytes: Self.stepBytes)
      let now = clock.now
      let items = zip(jobs, old).map { id, job -> BulkStep.Item in
        guard let job else { return BulkStep.Item(.settled(.skipped), of: id) }
        switch service.intake.check(job.retry, at: now) {
        case .success(let new): return BulkStep.Item(.insert(new), of: id)
        case .failure(let error):
          return BulkStep.Item(.settled(.failed(id, error.description)), of: id)
        }
      }
      return (items, page.prefix(old.count))
    }
  }

  private func description(_ candidate: BulkPage.Candidate) -> JobTypeDescription? {
    candidate.type.flatMap { service.catalog.type($0)?.description }
  }

  /// Whether a worker has to call something before the job's status changes.
  private func needsCallback(_ candidate: BulkPage.Candidate, _ action: BulkAction) -> Bool {
    let callbacks = description(candidate)?.callbacks ?? []
    return switch action {
    case .suspend: callbacks.contains(.suspend)
    case .resume: callbacks.contains(.resume) || callbacks.contains(.initialize)
    case .cancel, .delete, .retry: false
    }
  }

  /// Each job by itself, as one that is suspended or resumed alone; then what has become of them is noted.
  private func callAndAdvance(_ operation: BulkOperation, _ page: BulkPage) async {
    let outcomes = await withTaskGroup(
      of: (JobID, Result<BulkOutcome, StoreError>).self
    ) { group in
      for candidate in page.candidates {
        group.addTask {
          do throws(StoreError) {
            return (candidate.job, .success(try await self.change(candidate.job, of: operation)))
          } catch {
            return (candidate.job, .failure(error))
          }
        }
      }
      return await group.reduce(into: [JobID: Result<BulkOutcome, StoreError>]()) {
        $0[$1.0] = $1.1
      }
    }
    // Nobody answers a server that is being stopped: whatever was not done by then is tried anew.
    let step = CalledStep(operation, page, outcomes, isStopping: Task.isCancelled)
    if !step.items.isEmpty || step.error == nil {
      guard await advanceAtLast(operation, step.items, step.page) else { return }
    }
    if let error = step.error, !Task.isCancelled { fail(operation, error) }
  }

  /// Tries until the store takes it, or the server is stopped: what was done would not be counted otherwise.
  private func advanceAtLast(
    _ operation: BulkOperation, _ items: [BulkStep.Item], _ page: BulkPage
  ) async -> Bool {
    while true {
      do {
        try await advance(operation, items, page)
        return true
      } catch {
        guard !Task.isCancelled else { return false }
        fail(operation, error)
      }
      let pause = state.withLock { $0.failing.pause(of: operation.id, at: clock.uptime) }
      guard (try? await clock.sleep(for: pause)) != nil else { return false }
    }
  }

  private func change(
    _ job: JobID, of operation: BulkOperation
  ) async throws(StoreError) -> BulkOutcome {
    do throws(JobOperationError) {
      // It may have moved on since it was found.
      let found = try await service.job(job, tenant: operation.tenantID)
      guard operation.request.matches(found) else { return .skipped }
      switch operation.request.action {
      case .suspend: _ = try await service.suspend(job, tenant: operation.tenantID)
      default: _ = try await service.resume(job, tenant: operation.tenantID)
      }
      return .done
    } catch {
      switch error {
      case .store(let error): throw error
      case .unknownJob, .held, .rejected, .notSuspendable: return .skipped
      default: return .failed(job, error.description)
      }
    }
  }
}

/// What is noted of jobs that were changed each by itself.
///
/// Where it is not known what has become of one, the operation goes on there. Of those after it only what was done is counted, which
/// does not come again: it has left the statuses that are meant.
private struct CalledStep {
  var items: [BulkStep.Item] = []
  var page: BulkPage
  /// Why one is not known; the first one.
  var error: StoreError?

  init(
    _ operation: BulkOperation, _ page: BulkPage,
    _ outcomes: [JobID: Result<BulkOutcome, StoreError>], isStopping: Bool
  ) {
    self.page = page
    var last = operation.position
    for candidate in page.candidates {
      let outcome = outcomes[candidate.job] ?? .success(.skipped)
      switch outcome {
      case .success(.done):
        items.append(BulkStep.Item(.settled(.done), of: candidate.job))
      case .success(let outcome) where !isStopping:
        if error == nil { items.append(BulkStep.Item(.settled(outcome), of: candidate.job)) }
      case .success:
        note(.failed("the server is being stopped"), after: last)
      case .failure(let error):
        note(error, after: last)
      }
      last = candidate.number
    }
  }

  private mutating func note(_ error: StoreError, after last: Int64) {
    guard self.error == nil else { return }
    self.error = error
    page = BulkPage(candidates: page.candidates, next: last, isLast: false)
  }
}

extension BulkRunner.State {
  /// After how long an operation may go on; `nil` while something else has to happen first.
  fileprivate func start(of operation: BulkOperation, at uptime: Duration) -> Duration? {
    guard !busy.contains(operation.id) else { return nil }
    let pause = (pace[operation.id] ?? uptime) - uptime
    return max(.zero, pause, failing.pause(of: operation.id, at: uptime))
  }

  fileprivate func lastTurn(of operation: BulkOperation) -> Duration {
    served[operation.id] ?? .zero
  }
}

extension BulkOperation {
  var metadata: Logger.Metadata {
    [
      "operation": "\(id.uuidString.lowercased())", "action": "\(request.action.rawValue)",
      "status": "\(status.rawValue)", "matching": "\(matching)", "done": "\(done)",
      "skipped": "\(skipped)", "failed": "\(failed)",
    ]
  }
}
