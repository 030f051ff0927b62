import Foundation
import Jobs
import Synchronization
import TestSupport

/// The server's decisions over jobs in memory, by the domain's own rules; and what it was asked and told.
final class MemoryAuthority: JobAuthority {
  let claims = Recorder<ClaimRequest>()
  let answers = Recorder<ClaimAnswer>()
  let reports = Recorder<JobReport>()
  /// How often reports were handed over, and with how many at once.
  let batches = Recorder<Int>()

  private struct State {
    var jobs: [JobID: Job] = [:]
    /// In the order in which they came.
    var order: [JobID] = []
    var isAway = false
    var unregistered = 0
    var leastEpoch: Int64 = 1
    var gate: Signal?
    var again = 0
    var parked: [JobQueueName: [WorkerID: Set<JobTypeID>]] = [:]
  }

  private let state = Mutex(State())

  /// Adds a job that waits.
  ///
  /// - Returns: the workers that are to be woken for it.
  @discardableResult
  func add(_ job: Job) -> [WorkerID] {
    state.withLock { state in
      state.jobs[job.id] = job
      state.order.append(job.id)
      let woken = state.parked[job.queue]?.filter { $0.value.contains(job.type) }.map(\.key) ?? []
      for worker in woken { state.parked[job.queue]?[worker] = nil }
      return woken
    }
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

  /// The next claims are those of a worker that is not known.
  func isUnregistered(times: Int) {
    state.withLock { $0.unregistered = times }
  }

  /// The worker was taken for lost: claims of an earlier epoch are refused.
  func demandEpoch(_ epoch: Int64) {
    state.withLock { $0.leastEpoch = epoch }
  }

  /// The next claims are answered with nothing but that they are to be asked again.
  func answerAgain(times: Int) {
    state.withLock { $0.again = times }
  }

  /// Claims are decided, and answered when this has fired.
  func hold(until gate: Signal?) {
    state.withLock { $0.gate = gate }
  }

  func claim(_ requests: [ClaimRequest]) async throws(AuthorityError) -> [ClaimAnswer] {
    for request in requests { claims.add(request) }
    guard !isAway else { throw AuthorityError("away") }
    let (answers, gate) = state.withLock { state in
      (requests.map { Self.answer($0, &state) }, state.gate)
    }
    if let gate { _ = await gate.wait(for: .seconds(60)) }
    for answer in answers { self.answers.add(answer) }
    return answers
  }

  private static func answer(_ request: ClaimRequest, _ state: inout State) -> ClaimAnswer {
    if state.unregistered > 0 || request.epoch < state.leastEpoch {
      state.unregistered = max(0, state.unregistered - 1)
      return ClaimAnswer(jobs: [], rest: .unregistered)
    }
    if state.again > 0 {
      state.again -= 1
      return ClaimAnswer(jobs: [], rest: .again)
    }
    if request.isRepeated {
      let held = state.order.compactMap { state.jobs[$0] }.filter {
        $0.status.isHeld && $0.worker == request.worker && $0.claim == request.claim
      }
      if !held.isEmpty { return ClaimAnswer(jobs: held.map(\.assignment), rest: .void) }
    }
    let due = state.order.compactMap { state.jobs[$0] }.filter {
      $0.status == .waiting && $0.queue == request.queue
    }
    var granted: [JobAssignment] = []
    for var job in due where request.types.contains(job.type) && granted.count < request.count {
      guard let assignment = job.start(by: request.worker, claim: request.claim, at: .now) else {
        continue
      }
      granted.append(assignment)
      state.jobs[job.id] = job
    }
    guard granted.count < request.count, due.count > granted.count else {
      return ClaimAnswer(jobs: granted, rest: .void)
    }
    state.parked[request.queue, default: [:]][request.worker] = Set(request.types)
    return ClaimAnswer(jobs: granted, rest: .park)
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
  func waitForOutcomes(_ count: Int = 1, for bound: Duration = .seconds(60)) async -> Bool {
    await reports.wait(for: bound) { $0.compactMap(\.outcome).count >= count }
  }

  /// Waits for an answer that finds a ticket void and grants nothing.
  func waitForVoid(_ count: Int = 1) async -> Bool {
    await answers.wait { answers in
      answers.count { $0.jobs.isEmpty && $0.rest == .void } >= count
    }
  }

  /// Waits until a worker was told to park.
  func waitForPark() async -> Bool {
    await answers.wait { $0.contains { $0.rest == .park } }
  }
}

extension JobReport {
  var outcome: JobOutcome? { if case .ended(let outcome) = content { outcome } else { nil } }
  var progress: JobProgress? { if case .progress(let progress) = content { progress } else { nil } }
}
