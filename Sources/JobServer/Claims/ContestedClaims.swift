import JobStore
import Jobs
import Logging
import Synchronization

/// Claims of jobs that a worker has, as far as is known. Whether it has is asked beside everything else: who claims is told
/// to ask again, so that neither the other claims nor those of other workers wait for a holder that does not answer.
final class ContestedClaims: Sendable {
  private struct Hold: Hashable {
    var holder: WorkerID
    var attempt: Int
  }

  private struct State {
    var underWay: Set<JobID> = []
    /// What holders have said, and when.
    var held: [JobID: (hold: Hold, at: Duration, isKept: Bool)] = [:]
  }

  /// How long the word of a holder counts.
  private static let validity = Duration.seconds(5)

  private let store: StatusStore
  private let control: WorkerControl
  private let holders: HolderCheck
  private let clock: any ServerClock
  private let log: ServerLog
  private let checks = PeerTasks<WorkerID>(limit: 1000)
  private let state = Mutex(State())

  init(
    store: StatusStore, control: WorkerControl, holders: HolderCheck, clock: any ServerClock,
    log: ServerLog
  ) {
    self.store = store
    self.control = control
    self.holders = holders
    self.clock = clock
    self.log = log
  }

  /// Asks the holders.
  func run() async throws {
    try await checks.run()
  }

  func answer(_ request: ClaimRequest, holder: WorkerID, attempt: Int) -> ClaimAnswer {
    let hold = Hold(holder: holder, attempt: attempt)
    let uptime = clock.uptime
    let (isHeld, isNew) = state.withLock { state in
      if let known = state.held[request.job] {
        if known.hold == hold, uptime - known.at < Self.validity {
          return (known.isKept || holder != request.worker, false)
        }
        state.held[request.job] = nil
      }
      return (false, state.underWay.insert(request.job).inserted)
    }
    if isHeld { return .drop(.heldByAnother) }
    guard isNew else { return .askAgain }
    log.count(\.contestedClaims)
    // Who claims a job does not run it.
    let isGone = holder == request.worker
    let isTaken = checks.submit(to: holder) { [self] in
      await check(request.job, hold, isGone: isGone)
      _ = state.withLock { $0.underWay.remove(request.job) }
    }
    if !isTaken { _ = state.withLock { $0.underWay.remove(request.job) } }
    return .askAgain
  }

  private func check(_ id: JobID, _ hold: Hold, isGone: Bool) async {
    do {
      guard let job = try await store.job(id), job.status.isHeld, job.worker == hold.holder,
        job.attempt == hold.attempt
      else { return }
      if !isGone {
        let attempt = RunningAttempt(job: id, attempt: hold.attempt)
        switch await control.possession(of: attempt, by: hold.holder) {
        case .none: break
        case .running, .reported: return remember(id, hold, isKept: false)
        case .unanswered:
          log.count(\.silentHolders)
          return
        }
      }
      _ = try await holders.lose(job)
      // A newer server decides it; no ticket is needed for that.
      if holders.kept.contains(RunningAttempt(job: id, attempt: hold.attempt)) {
        remember(id, hold, isKept: true)
      }
    } catch {
      log.count(\.storeFailures)
      log.burst(.error, "a contested claim could not be decided", ["error": "\(error)"])
    }
  }

  private func remember(_ id: JobID, _ hold: Hold, isKept: Bool) {
    let uptime = clock.uptime
    state.withLock { state in
      if state.held.count > 10_000 {
        state.held = state.held.filter { uptime - $0.value.at < Self.validity }
      }
      state.held[id] = (hold, uptime, isKept)
    }
  }
}
