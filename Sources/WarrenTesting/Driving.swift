import JobMemoryStore
import JobWorker
import Jobs

/// How far the jobs of a tester are run.
enum DrivingGoal: Sendable {
  /// Until a job is at rest, and nothing of it runs any more.
  case rest(of: JobID)
  /// Until nothing is due and nothing runs.
  case idle
  /// Until the time has come so far since the tester was made, and nothing happens without more of it.
  case time(Duration)
}

extension TesterCore {
  /// How often time is moved before that counts as endless.
  private static let mostMoves = 10_000

  /// Runs what is due, and moves the time where nothing else is left to do.
  ///
  /// Between two steps all callbacks have ended or wait: so it is the same each time that a test is run. Several may drive at once; each
  /// step is one's.
  func drive(_ goal: DrivingGoal) async throws {
    let begin = deadlines.elapsed
    var moves = 0
    while true {
      switch try await state.exclusively({ try await step(to: goal) }) {
      case .reached: return
      case .started: break
      case .moved:
        moves += 1
        if case .time = goal { continue }
        guard moves <= Self.mostMoves else {
          var id: JobID?
          if case .rest(let job) = goal { id = job }
          throw JobTesterError.tooMuchTime(id, passed: deadlines.elapsed - begin)
        }
      case .stuck(let changes, let running):
        let patience = settings.patience
        if await !state.wait(atMost: patience, until: { $0.changes != changes }) {
          try Task.checkCancellation()
          throw JobTesterError.waitsForOutside(running, patience: patience)
        }
      }
    }
  }

  private enum Step {
    case reached
    /// Something that was due has begun.
    case started
    /// The time has come further.
    case moved
    /// Nothing happens until something changes from outside.
    case stuck(changes: UInt64, running: [JobID])
  }

  private func step(to goal: DrivingGoal) async throws -> Step {
    try await settle()
    if case .rest(let id) = goal, try isAtRest(id) { return .reached }
    if try startDue() { return .started }
    switch goal {
    case .time(let target):
      let rest = target - deadlines.elapsed
      guard rest > .zero else { return .reached }
      deadlines.move(by: min(untilNext ?? rest, rest))
      return .moved
    case .idle:
      guard !state.read(\.runs.isEmpty) else { return .reached }
      return try moveWhileRunning(waitingFor: nil)
    case .rest(let id):
      return try moveWhileRunning(waitingFor: id)
    }
  }

  /// Waits until nothing happens without more time, or without something from outside.
  private func settle() async throws {
    let patience = settings.patience
    if await !state.wait(atMost: patience, until: \.isSettled) {
      try Task.checkCancellation()
      let busy = state.read { $0.isSettled ? nil : $0.runs.keys.map(\.job) }
      if let busy { throw JobTesterError.busy(busy, patience: patience) }
    }
    if await !state.wait(atMost: patience, until: \.leftovers.isEmpty) {
      try Task.checkCancellation()
      let left = state.read(\.leftovers)
      if !left.isEmpty { throw JobTesterError.outlivesItsWorker(left, patience: patience) }
    }
    let failure = state.change { state in
      defer { state.failure = nil }
      return state.failure
    }
    if let failure { throw failure }
  }

  private func isAtRest(_ id: JobID) throws(JobTesterError) -> Bool {
    guard let job = store.job(id, tenant: nil) else { throw .unknownJob(id) }
    guard job.status.isAtRest else { return false }
    return state.read { state in !state.runs.keys.contains { $0.job == id } }
  }

  /// How long until something is due by time: a deadline, or a job for later.
  private var untilNext: Duration? {
    let job = store.promote(at: now, limit: 0).map { max(.zero, $0 - now) }
    return [deadlines.untilFirst, job].compactMap(\.self).min()
  }

  /// Nothing is due any more.
  private func moveWhileRunning(waitingFor id: JobID?) throws -> Step {
    let (changes, running, isTimed) = state.read { state in
      (state.changes, state.runs.keys.map(\.job), state.sleepers + state.pauses.count > 0)
    }
    if let id, !running.contains(id) { try checkComes(id, running) }
    // A job that waits for its time, or callbacks that do.
    if isTimed || id.map({ !running.contains($0) }) ?? false, let next = untilNext {
      deadlines.move(by: next)
      return .moved
    }
    return .stuck(changes: changes, running: running)
  }

  /// A job that is awaited and does not run: it has to come by itself.
  private func checkComes(_ id: JobID, _ running: [JobID]) throws(JobTesterError) {
    guard let job = store.job(id, tenant: nil) else { throw .unknownJob(id) }
    let types = state.read(\.types)
    guard types[job.type] != nil else {
      throw .noHandler(job.type, registered: Array(types.keys))
    }
    guard job.status == .waiting else {
      throw .doesNotRun(id, job.status, "nothing that is known to the tester changes that")
    }
    if job.scheduledAt <= now, running.isEmpty {
      throw .doesNotRun(id, job.status, "though it is due, it is not taken")
    }
  }
}
