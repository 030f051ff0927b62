import JobStore
import Jobs
import Logging
import ServiceLifecycle
import Synchronization

/// Asks workers for jobs that they may have lost, until it is known of each what becomes of it.
///
/// Each worker's jobs are asked for by themselves. One that does not answer is asked for one job only, less and less often,
/// until it answers or is gone; what is known already is not asked again. When there is news of it, it is asked at once.
final class HolderExaminer: Service {
  /// How many jobs of one worker are asked for with one question.
  private static let batchSize = 100

  private let store: StatusStore
  private let control: WorkerControl
  private let holders: HolderCheck
  private let clock: any ServerClock
  private let log: ServerLog
  private struct Line {
    var jobs: Set<JobID> = []
    /// Whether there has been news since it was asked.
    var hasNews = true
    let news = Signal()
  }

  private let lines = Mutex<[WorkerID: Line]>([:])
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
    let held = jobs.filter(\.status.isHeld)
    for (worker, jobs) in Dictionary(grouping: held, by: \.worker) {
      guard let worker else { continue }
      let (news, isFirst) = lines.withLock { lines in
        let isFirst = lines[worker] == nil
        lines[worker, default: Line()].jobs.formUnion(jobs.map(\.id))
        lines[worker]?.hasNews = true
        return (lines[worker]?.news, isFirst)
      }
      if isFirst { start.yield(worker) } else { news?.raise() }
    }
  }

  /// How many jobs it is not known of yet what becomes of them.
  var count: Int { lines.withLock { $0.values.map(\.jobs.count).reduce(0, +) } }

  func run() async throws {
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        for await worker in self.starts { group.addTask { await self.follow(worker) } }
      }
    }
  }

  private func follow(_ worker: WorkerID) async {
    var failures = 0
    while let (ids, news) = next(worker, &failures) {
      let (unsettled, isSilent) = await settle(ids, of: worker)
      failures = isSilent ? failures + 1 : 0
      guard !unsettled.isEmpty else { continue }
      lines.withLock { $0[worker]?.jobs.formUnion(unsettled) }
      await news.wait(
        atMost: RetryPauses.patient.pause(after: max(1, failures)), clock: clock)
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

  /// What to ask a worker next, and what is raised when there is news of it; `nil` when there is nothing left.
  private func next(
    _ worker: WorkerID, _ failures: inout Int
  ) -> (jobs: [JobID], news: Signal)? {
    lines.withLock { lines in
      guard let line = lines[worker], !line.jobs.isEmpty, !Task.isCancelled else {
        lines[worker] = nil
        return nil
      }
      if line.hasNews { failures = 0 }
      lines[worker]?.hasNews = false
      let batch = Array(line.jobs.prefix(failures == 0 ? Self.batchSize : 1))
      lines[worker]?.jobs.subtract(batch)
      return (batch, line.news)
    }
  }
}
