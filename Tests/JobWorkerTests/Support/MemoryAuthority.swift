import Jobs
import Synchronization

/// The server's decisions over jobs in memory, by the domain's own rules; and what it was asked and told.
final class MemoryAuthority: JobAuthority {
  let claims = Recorder<ClaimRequest>()
  let reports = Recorder<JobReport>()
  /// How often reports were handed over, and with how many at once.
  let batches = Recorder<Int>()

  private struct State {
    var jobs: [JobID: Job] = [:]
    var isAway = false
    var asksAgain = 0
  }

  private let state = Mutex(State())

  /// Adds a job that waits.
  func add(_ job: Job) {
    state.withLock { $0.jobs[job.id] = job }
  }

  func job(_ id: JobID) -> Job? {
    state.withLock { $0.jobs[id] }
  }

  func change(_ id: JobID, _ body: (inout Job) -> Void) {
    state.withLock { state in
      guard var job = state.jobs[id] else { return }
      body(&job)
      state.jobs[id] = job
    }
  }

  /// While it is away, every question fails.
  var isAway: Bool {
    get { state.withLock(\.isAway) }
    set { state.withLock { $0.isAway = newValue } }
  }

  /// The next claims are answered "ask again".
  func askAgain(times: Int) {
    state.withLock { $0.asksAgain = times }
  }

  func claim(_ requests: [ClaimRequest]) async throws(AuthorityError) -> [ClaimAnswer] {
    for request in requests { claims.add(request) }
    guard !isAway else { throw AuthorityError("away") }
    return state.withLock { state in
      requests.map { request in
        if state.asksAgain > 0 {
          state.asksAgain -= 1
          return .askAgain
        }
        guard var job = state.jobs[request.job] else { return .drop(.unknown) }
        var decision = job.claim(
          by: request.worker, claim: request.claim, holderIsGone: nil, at: .now, poisonLimit: 5)
        // Reports are applied at once here: there is nothing to wait for.
        if decision == .ask(holder: request.worker, attempt: job.attempt) {
          decision = job.claim(
            by: request.worker, claim: request.claim, holderIsGone: true, at: .now, poisonLimit: 5)
        }
        state.jobs[request.job] = job
        return switch decision {
        case .run(let assignment): .run(assignment)
        case .drop(let refusal): .drop(refusal)
        case .ask: .askAgain
        }
      }
    }
  }

  func lock(_ requests: [LockRequest]) async throws(AuthorityError) -> [LockAnswer] {
    guard !isAway else { throw AuthorityError("away") }
    return state.withLock { state in
      requests.map { request in
        guard var job = state.jobs[request.job] else { return .refused(.fenced) }
        let refusal =
          if let other = request.by { job.lock(by: other, at: .now) } else { job.unlock(at: .now) }
        state.jobs[request.job] = job
        return refusal.map(LockAnswer.refused) ?? .done
      }
    }
  }

  func report(_ reports: [JobReport]) async throws(AuthorityError) {
    guard !isAway else { throw AuthorityError("away") }
    state.withLock { state in
      for report in reports {
        guard var job = state.jobs[report.job] else { continue }
        _ = job.apply(report, at: .now, chance: 0.5)
        state.jobs[report.job] = job
      }
    }
    batches.add(reports.count)
    for report in reports { self.reports.add(report) }
  }

  /// The outcomes reported, in order.
  var outcomes: [JobOutcome] { reports.all.compactMap(\.outcome) }

  /// Waits until so many outcomes are reported.
  func waitForOutcomes(_ count: Int = 1, for bound: Duration = .seconds(20)) async -> Bool {
    await reports.wait(for: bound) { $0.compactMap(\.outcome).count >= count }
  }
}

extension JobReport {
  var outcome: JobOutcome? { if case .ended(let outcome) = content { outcome } else { nil } }
  var progress: JobProgress? { if case .progress(let progress) = content { progress } else { nil } }
}
