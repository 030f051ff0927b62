import Foundation
import JobStore
public import Jobs
import Logging

/// The server's decisions on claims and reports. Workers of this process ask it directly, others through the broker.
public struct ServerAuthority: JobAuthority {
  let store: StatusStore
  let contests: ContestedClaims
  let control: WorkerControl
  /// What is said to workers without waiting for them.
  let commands: PeerTasks<WorkerID>
  let poisonLimit: Int
  let clock: any ServerClock
  let log: ServerLog

  public func claim(_ requests: [ClaimRequest]) async throws(AuthorityError) -> [ClaimAnswer] {
    guard !requests.isEmpty else { return [] }
    let decisions: [Job.ClaimDecision?]
    do {
      decisions = try await store.update(requests.map(\.job), leavingOut: true) { index, job in
        // The time of the transaction: a job that was lost a moment ago is due since then.
        job.claim(
          by: requests[index].worker, claim: requests[index].claim, holderIsGone: nil,
          at: clock.now, poisonLimit: poisonLimit)
      }
    } catch {
      throw AuthorityError("the status store failed: \(error)")
    }
    return zip(requests, decisions).map { request, decision in
      switch decision {
      case .run(let assignment): .run(assignment)
      case .drop(let refusal): .drop(refusal)
      case .ask(let holder, let attempt):
        contests.answer(request, holder: holder, attempt: attempt)
      case nil: .drop(.unknown)
      }
    }
  }

  public func lock(_ requests: [LockRequest]) async throws(AuthorityError) -> [LockAnswer] {
    do {
      return try await store.lock(requests, at: clock.now)
    } catch {
      throw AuthorityError("the status store failed: \(error)")
    }
  }

  public func report(_ reports: [JobReport]) async throws(AuthorityError) {
    do {
      try await apply(reports)
    } catch {
      throw AuthorityError("the status store failed: \(error)")
    }
  }

  /// Applies reports in their order, in one transaction; what is foreign to a job is refused, and its worker told.
  func apply(_ reports: [JobReport]) async throws(StoreError) {
    let decisions = try await store.update(reports.map(\.job)) { index, job in
      job.apply(reports[index], at: clock.now, chance: Double.random(in: 0..<1))
    }
    let fenced = zip(reports, decisions).filter { $0.1 == nil || $0.1 == .fenced }.map(\.0)
    stop(fenced.map { (RunningAttempt(job: $0.job, attempt: $0.attempt), $0.worker) })
  }

  /// Looks at what a worker says it runs: what was taken from it and is nobody's yet is its own again, what is no longer
  /// its own it is told to stop.
  ///
  /// A job that reports nothing until it ends would otherwise run on beside the one that took its place.
  func attest(_ running: [RunningAttempt], by worker: WorkerID) async throws(StoreError) {
    guard !running.isEmpty else { return }
    let decisions = try await store.update(running.map(\.job), leavingOut: true) { index, job in
      job.attest(attempt: running[index].attempt, by: worker, at: clock.now)
    }
    let fenced = zip(running, decisions).filter { $0.1 != .kept }.map(\.0)
    stop(fenced.map { ($0, worker) })
  }

  /// Tells the workers of attempts that are no longer their job's. One that hears nothing reports again, or is asked.
  private func stop(_ fenced: [(attempt: RunningAttempt, worker: WorkerID)]) {
    for (attempt, worker) in fenced {
      log.burst(
        .notice, "an attempt that is no longer the job's was refused, and its worker told",
        ["job": "\(attempt.job)", "attempt": "\(attempt.attempt)", "worker": "\(worker)"])
      let isTaken = commands.submit(to: worker) {
        _ = await control.send(.stop(job: attempt.job, attempt: attempt.attempt), to: worker)
      }
      if !isTaken { log.count(\.droppedCommands) }
    }
  }
}
