import JobStore
import Jobs
import Logging
import ServiceLifecycle
import Synchronization

/// Asks workers for jobs that they may have lost, until it is known of each what becomes of it.
///
/// Each worker's jobs are asked for by themselves. One that does not answer is asked for one job only, less and less often,
/// until it answers or is gone; what is known already is not asked again.
final class HolderExaminer: Service {
  /// How many jobs of one worker are asked for with one question.
  private static let batchSize = 100

  private let store: StatusStore
  private let control: WorkerControl
  private let holders: HolderCheck
  private let clock: any ServerClock
  private let log: ServerLog
  private let waiting = Mutex<[WorkerID: Set<JobID>]>([:])
  private let starts: AsyncStream<WorkerID>
  private let start: AsyncStream<WorkerID>.Continuation

  init(
    store: StatusStore, control: WorkerControl, holders: HolderCheck, clock: any ServerClock,
    log: ServerLog
  ) {
    self.store = store
    self.control = control
    self.holders = holders
    self.clock = clock
    self.log = log
    (starts, start) = AsyncStream.makeStream()
  }

  /// Examines those of the jobs that a worker holds.
  func examine(_ jobs: [Job]) {
    for job in jobs where job.status.isHeld {
      guard let worker = job.worker else { continue }
      add([job.id], to: worker)
    }
  }

  /// How many jobs it is not known of yet what becomes of them.
  var count: Int { waiting.withLock { $0.values.map(\.count).reduce(0, +) } }

  func run() async throws {
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        for await worker in self.starts { group.addTask { await self.follow(worker) } }
      }
    }
  }

  private func add(_ jobs: [JobID], to worker: WorkerID) {
    let isFirst = waiting.withLock { waiting in
      defer { waiting[worker, default: []].formUnion(jobs) }
      return waiting[worker] == nil
    }
    if isFirst { start.yield(worker) }
  }

  private func follow(_ worker: WorkerID) async {
    var failures = 0
    while let ids = next(worker, failures == 0 ? Self.batchSize : 1) {
      let (unsettled, isSilent) = await settle(ids, of: worker)
      failures = isSilent ? failures + 1 : 0
      guard !unsettled.isEmpty else { continue }
      add(unsettled, to: worker)
      let pause = RetryPauses.patient.pause(after: max(1, failures))
      guard (try? await clock.sleep(for: pause)) != nil else { return }
    }
  }

  /// - Returns: those that have to be looked at again, and whether that is because nobody answers.
  private func settle(
    _ ids: [JobID], of worker: WorkerID
  ) async -> (unsettled: [JobID], isSilent: Bool) {
    let jobs: [Job]
    do {
      jobs = try await store.jobs(ids).values.filter { $0.status.isHeld && $0.worker == worker }
    } catch {
      log.count(\.storeFailures)
      log.burst(.error, "jobs could not be examined", ["error": "\(error)"])
      return (ids, true)
    }
    guard !jobs.isEmpty else { return ([], false) }
    let answers = await control.possession(
      of: jobs.map { RunningAttempt(job: $0.id, attempt: $0.attempt) }, by: worker)
    guard answers.contains(where: { $0 != .unanswered }) else {
      log.count(\.silentHolders)
      log.burst(
        .notice, "a worker does not say whether it has its jobs; it is asked again",
        ["worker": "\(worker)", "jobs": "\(jobs.count)"])
      return (jobs.map(\.id), true)
    }
    return await withTaskGroup(of: (JobID, Bool).self) { group in
      for (job, answer) in zip(jobs, answers) {
        group.addTask { (job.id, await self.holders.settle(job, knowing: answer)) }
      }
      var unsettled: [JobID] = []
      for await (id, isSettled) in group where !isSettled { unsettled.append(id) }
      return (unsettled, false)
    }
  }

  private func next(_ worker: WorkerID, _ limit: Int) -> [JobID]? {
    waiting.withLock { waiting in
      guard let jobs = waiting[worker], !jobs.isEmpty, !Task.isCancelled else {
        waiting[worker] = nil
        return nil
      }
      let batch = Array(jobs.prefix(limit))
      waiting[worker]?.subtract(batch)
      return batch
    }
  }
}
