import Jobs
import Synchronization

/// Is told of every commit of the store, and tells those who wait for it. That is why nobody polls for a job.
final class ChangeHub: Sendable {
  /// What became of a job that somebody watches.
  enum Change: Sendable {
    case moved(to: JobStatus)
    case deleted
  }

  /// An attempt that is no longer locked by another job.
  struct Release: Sendable {
    let attempt: RunningAttempt
    let worker: WorkerID
  }

  private struct State {
    var watchers: [JobID: [Int: AsyncStream<Change>.Continuation]] = [:]
    var nextWatcher = 0
  }

  let plan: DispatchPlan
  let parked: ParkedWorkers
  /// Raised when somebody may have to be told of a job's end.
  let endings = Signal()
  /// Raised when a job of somebody's has ended, of whose end a webhook endpoint may have to be told.
  let ends = Signal()
  let events = EventQueue()
  /// Who is told of the changes of single jobs.
  let watches: JobWatches
  /// What is read by whoever reads the transition log as it grows.
  var feed: EventFeed { watches.feed }
  /// Attempts that were locked, and are no longer.
  let releases: AsyncStream<Release>
  private let release: AsyncStream<Release>.Continuation
  private let state = Mutex(State())

  init(
    plan: DispatchPlan, parked: ParkedWorkers, watches: JobWatches = JobWatches()
  ) {
    self.plan = plan
    self.parked = parked
    self.watches = watches
    // Whoever is released is told as a courtesy: nothing depends on it.
    (releases, release) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(10_000))
  }

  func note(_ commit: StoreCommit) {
    tellWatchers(commit)
    for event in commit.transitions where event.from == .locked && event.to == .running {
      guard let worker = event.worker else { continue }
      release.yield(
        Release(
          attempt: RunningAttempt(job: event.job, attempt: event.attempt), worker: worker))
    }
    plan.note(commit)
    parked.wake(for: commit.due)
    if commit.hasReplies { endings.raise() }
    if commit.transitions.contains(where: { $0.to.isFinal && !$0.type.isReserved }) { ends.raise() }
    events.append(commit.transitions)
    if !commit.transitions.isEmpty || !commit.deleted.isEmpty { feed.noteGrowth() }
    watches.note(commit.transitions.lazy.map(\.job))
    watches.note(commit.deleted)
  }

  private func tellWatchers(_ commit: StoreCommit) {
    state.withLock { state in
      guard !state.watchers.isEmpty else { return }
      for event in commit.transitions {
        for watcher in (state.watchers[event.job] ?? [:]).values {
          watcher.yield(.moved(to: event.to))
        }
      }
      for job in commit.deleted {
        for watcher in (state.watchers[job] ?? [:]).values { watcher.yield(.deleted) }
      }
    }
  }

  /// What becomes of a job from now on; only the newest change is kept for a reader that is slow.
  func changes(of job: JobID) -> AsyncStream<Change> {
    let (stream, continuation) = AsyncStream.makeStream(
      of: Change.self, bufferingPolicy: .bufferingNewest(1))
    let number = state.withLock { state in
      defer { state.nextWatcher += 1 }
      state.watchers[job, default: [:]][state.nextWatcher] = continuation
      return state.nextWatcher
    }
    continuation.onTermination = { [weak self] _ in self?.forget(number, of: job) }
    return stream
  }

  func isWatched(_ job: JobID) -> Bool {
    state.withLock { $0.watchers[job] != nil }
  }

  private func forget(_ number: Int, of job: JobID) {
    state.withLock { state in
      state.watchers[job]?[number] = nil
      if state.watchers[job]?.isEmpty == true { state.watchers[job] = nil }
    }
  }
}
