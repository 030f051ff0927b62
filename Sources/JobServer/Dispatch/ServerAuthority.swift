import Foundation
package import Jobs
import Logging
import Synchronization

/// The server's decisions on claims and reports. Workers of this process ask it directly, others through the broker.
package struct ServerAuthority: JobAuthority {
  let store: any JobStore
  let parked: ParkedWorkers
  let watches: JobWatches
  let claims: ClaimCounts
  let control: WorkerControl
  /// What is said to workers without waiting for them.
  let commands: PeerTasks<WorkerID>
  /// About how many bytes one answer to a claim may have.
  let answerBytes: Int
  let clock: any ServerClock
  let log: ServerLog

  package func claim(_ requests: [ClaimRequest]) async throws(AuthorityError) -> [ClaimAnswer] {
    guard !requests.isEmpty else { return [] }
    do {
      for request in requests { claims.note(request.queue) }
      let answers = try await store.claim(requests, bytes: answerBytes, at: clock.now)
      let asideOf = zip(requests, answers).filter { $0.1.rest == .park }.map(\.0)
      try await park(asideOf)
      return answers
    } catch {
      throw AuthorityError("the status store failed: \(error)")
    }
  }

  private func park(_ requests: [ClaimRequest]) async throws(StoreError) {
    guard !requests.isEmpty else { return }
    for request in requests {
      parked.park(request.worker, in: request.queue, types: Set(request.types))
    }
    // What became due between the claim and this was told to nobody.
    parked.wake(for: try await store.due())
  }

  package func lock(_ requests: [LockRequest]) async throws(AuthorityError) -> [LockAnswer] {
    do {
      return try await store.lock(requests, at: clock.now)
    } catch {
      throw AuthorityError("the status store failed: \(error)")
    }
  }

  package func report(_ reports: [JobReport]) async throws(AuthorityError) {
    do {
      try await apply(reports)
    } catch {
      throw AuthorityError("the status store failed: \(error)")
    }
  }

  /// Applies reports in their order, in one transaction; what is foreign to a job is refused, and its worker told.
  func apply(_ reports: [JobReport]) async throws(StoreError) {
    guard !reports.isEmpty else { return }
    let decisions = try await store.report(
      reports, chances: reports.map { _ in Double.random(in: 0..<1) }, at: clock.now)
    // What changes a status, the store's commit has told.
    watches.note(
      zip(reports, decisions).lazy.filter { $0.isProgress && $1 == .applied }.map(\.0.job))
    for (report, decision) in zip(reports, decisions) {
      switch decision {
      case .applied, .ignored: break
      case .fenced:
        stop(RunningAttempt(job: report.job, attempt: report.attempt), of: report.worker)
      case .refused(let why):
        log.count(\.badReports)
        log.burst(
          .error, "the store does not take what a worker reports",
          ["job": "\(report.job)", "error": "\(why)"])
      }
    }
  }

  /// Makes a worker known, and looks at what it says it runs: what was taken from it and is nobody's yet is its own again,
  /// what is no longer its own it is told to stop.
  ///
  /// A job that reports nothing until it ends would otherwise run on beside the one that took its place.
  func register(_ registration: WorkerRegistration) async throws(StoreError) {
    let decisions = try await store.register(registration, at: clock.now)
    for (attempt, decision) in zip(registration.running, decisions) where decision == .fenced {
      stop(attempt, of: registration.worker)
    }
  }

  /// Tells the worker of an attempt that is no longer its job's. One that hears nothing reports again, or is asked.
  private func stop(_ attempt: RunningAttempt, of worker: WorkerID) {
    log.burst(
      .notice, "an attempt that is no longer the job's was refused, and its worker told",
      ["job": "\(attempt.job)", "attempt": "\(attempt.attempt)", "worker": "\(worker)"])
    let isTaken = commands.submit(to: worker) {
      _ = await control.send(.stop(job: attempt.job, attempt: attempt.attempt), to: worker)
    }
    if !isTaken { log.count(\.droppedCommands) }
  }
}

extension JobReport {
  fileprivate var isProgress: Bool {
    if case .progress = content { true } else { false }
  }
}

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
