import Jobs
import Synchronization

/// Workers that take no tickets of a queue for now, since all that was due there were jobs that they cannot run. They are
/// woken when one is due that they can. So services with different types may share a queue.
final class ParkedWorkers: Sendable {
  private struct State {
    /// The types that each worker waits for, by queue.
    var waiting: [JobQueueName: [WorkerID: Set<JobTypeID>]] = [:]
  }

  /// A worker that is to be told.
  struct WakeUp: Sendable, Hashable {
    let worker: WorkerID
    let queue: JobQueueName
  }

  /// Who is to be told; for one reader. One that is let go is made up for by ``TicketReconciliation``.
  let wakeUps: AsyncStream<WakeUp>
  private let wakeUp: AsyncStream<WakeUp>.Continuation
  private let state = Mutex(State())

  init() {
    (wakeUps, wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(10_000))
  }

  func park(_ worker: WorkerID, in queue: JobQueueName, types: Set<JobTypeID>) {
    state.withLock { $0.waiting[queue, default: [:]][worker] = types }
  }

  func remove(_ worker: WorkerID) {
    state.withLock { state in
      for queue in state.waiting.keys {
        state.waiting[queue]?[worker] = nil
        if state.waiting[queue]?.isEmpty == true { state.waiting[queue] = nil }
      }
    }
  }

  func isParked(_ worker: WorkerID, in queue: JobQueueName) -> Bool {
    state.withLock { $0.waiting[queue]?[worker] != nil }
  }

  /// Wakes as many of those that wait as there are jobs for them: each can take one at least.
  func wake(for due: [DueJobs]) {
    for worker in taken(for: due) { wakeUp.yield(worker) }
  }

  private func taken(for due: [DueJobs]) -> [WakeUp] {
    state.withLock { state in
      guard !state.waiting.isEmpty else { return [] }
      var taken: [WakeUp] = []
      for jobs in due {
        guard let workers = state.waiting[jobs.queue] else { continue }
        let able = workers.filter { $0.value.contains(jobs.type) }.keys
        for worker in able.shuffled().prefix(jobs.count) {
          state.waiting[jobs.queue]?[worker] = nil
          taken.append(WakeUp(worker: worker, queue: jobs.queue))
        }
        if state.waiting[jobs.queue]?.isEmpty == true { state.waiting[jobs.queue] = nil }
      }
      return taken
    }
  }
}

/// How often each queue was claimed from: where nobody claims though jobs are due, tickets may be missing.
final class ClaimCounts: Sendable {
  private let counts = Mutex<[JobQueueName: Int]>([:])

  func note(_ queue: JobQueueName) {
    counts.withLock { $0[queue, default: 0] += 1 }
  }

  subscript(queue: JobQueueName) -> Int { counts.withLock { $0[queue] ?? 0 } }
}
