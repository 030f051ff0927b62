import Jobs
import Logging
import ServiceLifecycle
import Synchronization

/// Asks workers, now and then, about attempts of which nothing has been heard for a while. It is what notices a report that
/// was lost with the queue of reports (purged or deleted by an operator), a claim whose answer was lost, and an order to end
/// that did not arrive: none of them signals itself.
///
/// A round takes the next `batchSize` of these attempts, in one question to each of their workers. It waits for none of them.
struct HeldJobAudit: Service {
  /// The most attempts of one round: it bounds what a round costs, however many jobs run for long.
  static let batchSize = 500

  let store: any JobStore
  let control: WorkerControl
  let workers: WorkerCheck
  let inbox: InboxMarks
  let kept: KeptAttempts
  let poisonLimit: Int
  /// Between two rounds.
  let interval: Duration
  /// How long nothing has to have been heard of an attempt.
  let silence: Duration
  let clock: any ServerClock
  let log: ServerLog
  private static let mostRepetitions = 5
  private let repetitions = Repetitions()

  init(
    store: any JobStore, control: WorkerControl, workers: WorkerCheck, inbox: InboxMarks,
    kept: KeptAttempts, poisonLimit: Int, interval: Duration, silence: Duration,
    clock: any ServerClock, log: ServerLog
  ) {
    self.store = store
    self.control = control
    self.workers = workers
    self.inbox = inbox
    self.kept = kept
    self.poisonLimit = poisonLimit
    self.interval = interval
    self.silence = silence
    self.clock = clock
    self.log = log
  }

  func run() async throws {
    // While a worker is asked, the question of one more round may wait for it.
    let questions = PeerTasks<WorkerID>(limit: 1)
    try await cancelWhenGracefulShutdown {
      try await withThrowingDiscardingTaskGroup { group in
        group.addTask { try await questions.run() }
        var last: JobID?
        while (try? await clock.sleep(for: interval)) != nil {
          do {
            last = try await audit(after: last, questions)
          } catch {
            last = nil
            log.count(\.storeFailures)
            log.burst(.warning, "held jobs could not be audited", ["error": "\(error)"])
          }
        }
        group.cancelAll()
      }
    }
  }

  /// - Parameter last: where the round before has ended; `nil` begins anew.
  /// - Returns: where this one has ended; `nil` at the end of all.
  private func audit(
    after last: JobID?, _ questions: PeerTasks<WorkerID>
  ) async throws(StoreError) -> JobID? {
    let held = try await store.heldSilently(
      since: clock.now + (.zero - silence), after: last, limit: Self.batchSize)
    for (worker, attempts) in Dictionary(grouping: held, by: \.worker) {
      // One that is not taken comes up in a later round.
      _ = questions.submit(to: worker) { await ask(worker, about: attempts) }
    }
    return held.count == Self.batchSize ? held.last?.attempt.job : nil
  }

  private func ask(_ worker: WorkerID, about attempts: [HeldAttempt]) async {
    let answers = await control.possession(of: attempts.map(\.attempt), by: worker)
    guard !answers.contains(.gone) else { return workers.check(worker) }
    if !answers.contains(where: { $0 != .unanswered }) {
      log.count(\.silentHolders)
      log.burst(
        .notice, "a worker does not say whether it has its jobs; it is asked again",
        ["worker": "\(worker)", "jobs": "\(attempts.count)"])
      return
    }
    var missing: [HeldAttempt] = []
    var reported: [HeldAttempt] = []
    for (held, answer) in zip(attempts, answers) {
      switch answer {
      // It is told once more.
      case .running where held.isEnding: workers.check(worker)
      case .missing: missing.append(held)
      case .reported: reported.append(held)
      case .running, .gone, .unanswered: break
      }
    }
    guard !missing.isEmpty || !reported.isEmpty else { return }
    do {
      // What the worker has said may be in the inbox still.
      guard await inbox.isReadUpToNow(), kept.isRead else { return }
      try await lose(missing.map(\.attempt), of: worker)
      try await recall(reported, from: worker)
    } catch {
      log.count(\.storeFailures)
      log.burst(
        .warning, "held jobs could not be looked at",
        ["worker": "\(worker)", "error": "\(error)"])
    }
  }

  /// Takes attempts from a worker that is there and does not have them.
  private func lose(_ attempts: [RunningAttempt], of worker: WorkerID) async throws(StoreError) {
    let lost = attempts.filter { !kept.contains($0) }
    guard !lost.isEmpty else { return }
    let results = try await store.apply(
      lost.map { attempt in
        JobCommand(
          .lose(attempt: attempt.attempt, poisonLimit: poisonLimit), of: attempt.job)
      }, at: clock.now)
    for (attempt, result) in zip(lost, results) where result?.decision == .done {
      log.burst(
        .notice, "an attempt is lost: its worker does not have it",
        ["job": "\(attempt.job)", "worker": "\(worker)"])
    }
  }

  /// Has outcomes reported again that have not come, though all that was reported has been applied.
  private func recall(_ reported: [HeldAttempt], from worker: WorkerID) async throws(StoreError) {
    let jobs = try await store.jobs(reported.map(\.attempt.job))
    var hopeless: [RunningAttempt] = []
    for held in reported {
      let attempt = held.attempt
      guard let job = jobs[attempt.job], job.status.isHeld, job.attempt == attempt.attempt,
        job.worker == worker
      else { continue }
      if kept.contains(attempt) {
        // Nothing was lost: asked again, the worker would report the same. One that is canceled does not have to wait for
        // the server that understands it.
        if job.status == .canceling { hopeless.append(attempt) }
        continue
      }
      guard repetitions.count(attempt) <= Self.mostRepetitions else {
        log.burst(
          .error,
          "an outcome that was asked for again and again does not arrive; its attempt counts as lost",
          ["job": "\(attempt.job)", "worker": "\(worker)"])
        hopeless.append(attempt)
        continue
      }
      log.burst(
        .notice, "the report of an outcome was lost, and is asked for again",
        [
          "job": "\(attempt.job)", "attempt": "\(attempt.attempt)", "worker": "\(worker)",
        ])
      _ = await control.send(
        .reportAgain(job: attempt.job, attempt: attempt.attempt), to: worker)
    }
    guard !hopeless.isEmpty else { return }
    _ = try await store.apply(
      hopeless.map { attempt in
        JobCommand(
          .lose(attempt: attempt.attempt, poisonLimit: poisonLimit), of: attempt.job)
      }, at: clock.now)
  }
}

/// How often the outcomes of attempts have been asked for again. Bounded: it forgets everything when it is full, which costs
/// some repetitions.
private final class Repetitions: Sendable {
  private static let limit = 10_000
  private let counts = Mutex<[RunningAttempt: Int]>([:])

  /// Counts one more, and tells how many there are.
  func count(_ attempt: RunningAttempt) -> Int {
    counts.withLock { counts in
      if counts.count >= Self.limit { counts = [:] }
      counts[attempt, default: 0] += 1
      return counts[attempt] ?? 1
    }
  }
}
