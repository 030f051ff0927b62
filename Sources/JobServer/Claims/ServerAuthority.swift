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

  public func claim(_ requests: [ClaimRequest]) async throws(AuthorityError) -> [ClaimAnswer] {
    var answers: [ClaimAnswer] = []
    var contested: [(index: Int, request: ClaimRequest, holder: WorkerID)] = []
    for (index, decision) in try await decide(requests, holderIsGone: nil).enumerated() {
      if case .ask(let holder) = decision {
        contested.append((index, requests[index], holder))
      }
      answers.append(ClaimAnswer(decision))
    }
    guard !contested.isEmpty else { return answers }
    let orphans = await orphaned(contested.map { ($0.request.job, $0.holder) })
    for (entry, possession) in zip(contested, orphans) where possession == .has {
      answers[entry.index] = .drop(.heldByAnother)
    }
    let free = zip(contested, orphans).filter { $0.1 == .hasNot }.map(\.0)
    // The holder's last words may be in the inbox still. Without them known, the askers ask again.
    guard !free.isEmpty, await inbox.isReadUpToNow() else { return answers }
    for (entry, decision) in zip(free, try await decide(free.map(\.request), holderIsGone: true)) {
      answers[entry.index] = ClaimAnswer(decision)
    }
    return answers
  }

  private func decide(
    _ requests: [ClaimRequest], holderIsGone: Bool?
  ) async throws(AuthorityError) -> [Job.ClaimDecision] {
    guard !requests.isEmpty else { return [] }
    let now = Timestamp.now
    do {
      return try await store.update(requests.map(\.job)) { index, job in
        job.claim(
          by: requests[index].worker, claim: requests[index].claim, holderIsGone: holderIsGone,
          at: now, poisonLimit: poisonLimit)
      }.map { $0 ?? .drop(.unknown) }
    } catch {
      throw AuthorityError("the status store failed: \(error)")
    }
  }

  private func orphaned(_ held: [(JobID, WorkerID)]) async -> [WorkerControl.Possession] {
    await withTaskGroup(of: (Int, WorkerControl.Possession).self) { group in
      for (index, (job, holder)) in held.enumerated() {
        group.addTask { (index, await control.possession(of: job, by: holder)) }
      }
      var answers = Array(repeating: WorkerControl.Possession.unknown, count: held.count)
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
    let now = Timestamp.now
    let decisions: [Job.ReportDecision?]
    do {
      decisions = try await store.update(reports.map(\.job)) { index, job in
        job.apply(reports[index], at: now, chance: Double.random(in: 0..<1))
      }
    } catch {
      throw AuthorityError("the status store failed: \(error)")
    }
    let fenced = zip(reports, decisions).filter { $0.1 == nil || $0.1 == .fenced }.map(\.0)
    await stop(fenced)
  }

  /// Tells the workers of attempts that are no longer their job's.
  private func stop(_ fenced: [JobReport]) async {
    await withDiscardingTaskGroup { group in
      for report in fenced {
        logger.notice(
          "a report of an attempt that is no longer the job's was refused",
          metadata: [
            "job": "\(report.job)", "attempt": "\(report.attempt)", "worker": "\(report.worker)",
          ])
        group.addTask {
          _ = await control.send(
            .stop(job: report.job, attempt: report.attempt), to: report.worker)
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
