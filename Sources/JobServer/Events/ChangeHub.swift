import JobStore
import Jobs
import Synchronization

/// Hears of every commit of the store and tells whoever waits for one: it is how waiting needs no polling.
final class ChangeHub: Sendable {
  private struct State {
    var watchers: [JobID: [Int: AsyncStream<JobChange>.Continuation]] = [:]
    var nextWatcher = 0
  }

  /// Raised when there may be a job to issue.
  let work = Signal()
  /// Raised when a job has ended whose producer wants to know.
  let endings = Signal()
  /// Running jobs that are not locked any longer; the newest, should there be very many.
  let releases: AsyncStream<Job>
  private let release: AsyncStream<Job>.Continuation
  /// What is to be told to the world.
  let events = EventQueue()
  private let state = Mutex(State())

  init() {
    (releases, release) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(10_000))
  }

  /// Called by the store after each commit.
  func note(_ changes: [JobChange]) {
    for change in changes {
      for watcher in watchers(of: change.job.id) { watcher.yield(change) }
      if change.event?.from == .locked, change.job.status == .running { release.yield(change.job) }
    }
    if changes.contains(where: { $0.job.status == .waiting && !$0.job.ticketIssued }) {
      work.raise()
    }
    if changes.contains(where: { $0.job.status.isFinal && !$0.job.replies.isEmpty }) {
      endings.raise()
    }
    events.append(changes.compactMap(\.event))
  }

  /// The changes of one job from now on. A slow reader misses all but the newest.
  func changes(of job: JobID) -> AsyncStream<JobChange> {
    let (stream, continuation) = AsyncStream.makeStream(
      of: JobChange.self, bufferingPolicy: .bufferingNewest(1))
    let number = state.withLock { state in
      defer { state.nextWatcher += 1 }
      state.watchers[job, default: [:]][state.nextWatcher] = continuation
      return state.nextWatcher
    }
    continuation.onTermination = { [weak self] _ in self?.forget(number, of: job) }
    return stream
  }

  /// Whether anyone reads the changes of the job.
  func isWatched(_ job: JobID) -> Bool {
    state.withLock { $0.watchers[job] != nil }
  }

  private func watchers(of job: JobID) -> [AsyncStream<JobChange>.Continuation] {
    state.withLock { $0.watchers[job].map { Array($0.values) } ?? [] }
  }

  private func forget(_ number: Int, of job: JobID) {
    state.withLock { state in
      state.watchers[job]?[number] = nil
      if state.watchers[job]?.isEmpty == true { state.watchers[job] = nil }
    }
  }
}
