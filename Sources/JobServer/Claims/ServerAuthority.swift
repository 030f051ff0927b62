import Foundation
import JobStore
public import Jobs
import Logging

/// The server's decisions on claims and reports. Workers of this process ask it directly, others through the desks.
public struct ServerAuthority: JobAuthority {
  let store: StatusStore
  let control: WorkerControl
  let inbox: InboxMarks
  let poisonLimit: Int
  let logger: Logger

  /// A claim for a job that a worker has, as far as is known.
  private struct Contest {
    let index: Int
    let request: ClaimRequest
    let holder: WorkerID
    let attempt: Int
  }

  public func claim(_ requests: [ClaimRequest]) async throws(AuthorityError) -> [ClaimAnswer] {
    var answers: [ClaimAnswer] = []
    var contests: [Contest] = []
    for (index, decision) in try await decide(requests).enumerated() {
      if case .ask(let holder, let attempt) = decision {
        contests.append(
          Contest(index: index, request: requests[index], holder: holder, attempt: attempt))
      }
      answers.append(ClaimAnswer(decision))
    }
    guard !contests.isEmpty else { return answers }
    let possessions = await possessions(contests)
    for (contest, possession) in zip(contests, possessions)
    where possession == .running || possession == .reported {
      answers[contest.index] = .drop(.heldByAnother)
    }
    let free = zip(contests, possessions).filter { $0.1 == .none }.map(\.0)
    // The holder's last words may be in the inbox still. Without them known, the askers ask again.
    guard !free.isEmpty, await inbox.isReadUpToNow() else { return answers }
    for (contest, decision) in zip(free, try await decide(free)) {
      answers[contest.index] = ClaimAnswer(decision)
    }
    return answers
  }

  private func decide(
    _ requests: [ClaimRequest]
  ) async throws(AuthorityError) -> [Job.ClaimDecision] {
    try await decide(requests) { _, _ in nil }
  }

  /// Decides again, now that it is known that the holders do not have the jobs: unless somebody has taken a job meanwhile.
  private func decide(_ free: [Contest]) async throws(AuthorityError) -> [Job.ClaimDecision] {
    try await decide(free.map(\.request)) { index, job in
      job.worker == free[index].holder && job.attempt == free[index].attempt ? true : nil
    }
  }

  private func decide(
    _ requests: [ClaimRequest], holderIsGone: @escaping @Sendable (Int, Job) -> Bool?
  ) async throws(AuthorityError) -> [Job.ClaimDecision] {
    guard !requests.isEmpty else { return [] }
    let now = Timestamp.now
    do {
      return try await store.update(requests.map(\.job)) { index, job in
        job.claim(
          by: requests[index].worker, claim: requests[index].claim,
          holderIsGone: holderIsGone(index, job), at: now, poisonLimit: poisonLimit)
      }.map { $0 ?? .drop(.unknown) }
    } catch {
      throw AuthorityError("the status store failed: \(error)")
    }
  }

  private func possessions(_ contests: [Contest]) async -> [WorkerControl.Possession] {
    await withTaskGroup(of: (Int, WorkerControl.Possession).self) { group in
      for (index, contest) in contests.enumerated() {
        group.addTask {
          // Who claims a job does not run it.
          guard contest.holder != contest.request.worker else { return (index, .none) }
          let attempt = RunningAttempt(job: contest.request.job, attempt: contest.attempt)
          return (index, await control.possession(of: attempt, by: contest.holder))
        }
      }
      var answers = Array(repeating: WorkerControl.Possession.unanswered, count: contests.count)
      for await (index, possession) in group { answers[index] = possession }
      return answers
    }
  }

  public func lock(_ requests: [LockRequest]) async throws(AuthorityError) -> [LockAnswer] {
    do {
      return try await store.lock(requests, at: .now)
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
    let now = Timestamp.now
    let decisions = try await store.update(reports.map(\.job)) { index, job in
      job.apply(reports[index], at: now, chance: Double.random(in: 0..<1))
    }
    let fenced = zip(reports, decisions).filter { $0.1 == nil || $0.1 == .fenced }.map(\.0)
    await stop(fenced.map { (RunningAttempt(job: $0.job, attempt: $0.attempt), $0.worker) })
  }

  /// Looks at what a worker says it runs: what was taken from it and is nobody's yet is its own again, what is no longer
  /// its own it is told to stop.
  ///
  /// A job that reports nothing until it ends would otherwise run on beside the one that took its place.
  func attest(_ running: [RunningAttempt], by worker: WorkerID) async throws(StoreError) {
    guard !running.isEmpty else { return }
    let now = Timestamp.now
    let decisions = try await store.update(running.map(\.job)) { index, job in
      job.attest(attempt: running[index].attempt, by: worker, at: now)
    }
    let fenced = zip(running, decisions).filter { $0.1 != .kept }.map(\.0)
    await stop(fenced.map { ($0, worker) })
  }

  /// Tells the workers of attempts that are no longer their job's.
  private func stop(_ fenced: [(attempt: RunningAttempt, worker: WorkerID)]) async {
    await withDiscardingTaskGroup { group in
      for (attempt, worker) in fenced {
        logger.notice(
          "an attempt that is no longer the job's was refused, and its worker told",
          metadata: [
            "job": "\(attempt.job)", "attempt": "\(attempt.attempt)", "worker": "\(worker)",
          ])
        group.addTask {
          _ = await control.send(.stop(job: attempt.job, attempt: attempt.attempt), to: worker)
        }
      }
    }
  }
}

extension ClaimAnswer {
  /// Where the holder has to be asked, the answer so far is to ask again.
  fileprivate init(_ decision: Job.ClaimDecision) {
    switch decision {
    case .run(let assignment): self = .run(assignment)
    case .drop(let refusal): self = .drop(refusal)
    case .ask: self = .askAgain
    }
  }
}
