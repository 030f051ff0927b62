import Foundation
import JobWorker
import Jobs
import Synchronization

/// What a tester knows of what goes on, and who waits for it to change.
struct TesterState: Sendable {
  /// An attempt, from its claim until nothing of it is left.
  struct Run: Sendable {
    enum Phase: Sendable {
      /// Handed to the engine.
      case starting
      /// Its callback runs.
      case inCallback
      /// Its callback has ended; the outcome is on its way.
      case reporting
    }

    let queue: JobQueueName
    var phase = Phase.starting
    /// The engine is through with it.
    var isEnded = false
    /// Its worker was killed.
    var isAbandoned = false
    /// Calls of the callback to its worker that have not returned.
    var calls = 0
    var progressCount = 0
    var snapshotCount = 0
    /// What the callback has said last of its progress, and what has come of it to the store.
    var told: Double?
    var stored: Double?

    /// Nothing of it is left.
    var isGone: Bool { isEnded && phase != .inCallback }

    /// Whether what its callback has said of its progress is stored.
    var isStored: Bool { phase != .inCallback || isAbandoned || told == stored }

    /// How much the engine does for it at this moment.
    var operations: Int { phase == .inCallback ? calls : calls + (isEnded ? 0 : 1) }
  }

  /// What is kept of a job besides the store.
  struct History: Sendable {
    var parent: JobID?
    var children: [JobID] = []
    var progress: [JobProgress] = []
    var snapshots: [JSONPayload] = []
    var log: [RecordedLine] = []
    var faults: [JobFault] = []
    var voidTickets = 0
  }

  var types: [JobTypeID: RegisteredJobType] = [:]
  var registry = JobRegistry()
  /// Types that were scheduled and have no handler.
  var foreign: [JobTypeID: (description: JobTypeDescription, queue: JobQueueName)] = [:]
  var problems: [String] = []
  /// Faults for the next jobs of a type.
  var faults: [JobTypeID: [JobFault]] = [:]

  var runs: [RunningAttempt: Run] = [:]
  var histories: [JobID: History] = [:]
  /// All jobs, in the order in which they came.
  var order: [JobID] = []

  /// Pieces of callbacks that are about to run, or run.
  var busy = 0
  /// Waits for the tester's clock, or for a job of the tester, in callbacks and elsewhere.
  var sleepers = 0
  /// Waits of the engine before it reports again; each is woken by its action.
  var pauses: [UInt64: @Sendable () -> Void] = [:]
  /// Of what cannot be told to whoever has caused it.
  var failure: JobTesterError?
  /// Grows with each change.
  var changes: UInt64 = 0
  var lastID: UInt64 = 0
  /// Whether somebody looks what is to be done next, and does it.
  var isDriven = false

  /// Whether nothing happens without something from outside: each callback waits, and so does the engine.
  var isSettled: Bool {
    busy == 0 && runs.values.allSatisfy(\.isStored)
      && runs.values.reduce(0) { $0 + $1.operations } == pauses.count
  }

  /// Callbacks of a killed worker that have not ended.
  var leftovers: [JobID] { runs.filter(\.value.isAbandoned).map(\.key.job) }

  mutating func newID() -> UInt64 {
    lastID += 1
    return lastID
  }

  mutating func change(_ attempt: RunningAttempt, _ body: (inout Run) -> Void) {
    guard var run = runs[attempt] else { return }
    body(&run)
    runs[attempt] = run.isGone ? nil : run
  }
}

/// The state, shared by the tester, its callbacks and its clock.
final class SharedState: Sendable {
  private struct Waiter: Sendable {
    let isReached: @Sendable (TesterState) -> Bool
    let continuation: CheckedContinuation<Bool, Never>
  }

  private struct Guarded {
    var state = TesterState()
    var waiters: [UInt64: Waiter] = [:]

    /// Those who have waited for what is so now.
    mutating func takeReached() -> [CheckedContinuation<Bool, Never>] {
      let reached = waiters.filter { $0.value.isReached(state) }
      for id in reached.keys { waiters[id] = nil }
      return reached.values.map(\.continuation)
    }
  }

  private let guarded = Mutex(Guarded())
  /// The machine's time, for how long a test waits at most.
  private let realTime = DeadlineQueue()

  func read<Answer>(_ body: (TesterState) -> Answer) -> Answer {
    guarded.withLock { body($0.state) }
  }

  @discardableResult
  func change<Answer>(_ body: (inout TesterState) -> Answer) -> Answer {
    let (answer, reached) = guarded.withLock { guarded in
      let answer = body(&guarded.state)
      guarded.state.changes += 1
      return (answer, guarded.takeReached())
    }
    for continuation in reached { continuation.resume(returning: true) }
    return answer
  }

  /// Does something that only one may do at a time. That it is done is no change.
  func exclusively<Answer>(_ body: () async throws -> Answer) async throws -> Answer {
    while !guarded.withLock({ guarded in
      defer { guarded.state.isDriven = true }
      return !guarded.state.isDriven
    }) {
      guard await wait(atMost: nil, until: { !$0.isDriven }) else { throw CancellationError() }
    }
    defer {
      let reached = guarded.withLock { guarded in
        guarded.state.isDriven = false
        return guarded.takeReached()
      }
      for continuation in reached { continuation.resume(returning: true) }
    }
    return try await body()
  }

  /// Waits for a state, for so much of the machine's time at most.
  ///
  /// - Returns: whether it was reached; `false` as well when the task is cancelled.
  func wait(
    atMost limit: Duration?, until isReached: @escaping @Sendable (TesterState) -> Bool
  ) async -> Bool {
    // That somebody waits is no change.
    let id = guarded.withLock { $0.state.newID() }
    let deadline = limit.map { realTime.after($0) { [weak self] in self?.giveUp(id) } }
    defer { realTime.cancel(deadline) }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let answer: Bool? = guarded.withLock { guarded in
          if isReached(guarded.state) { return true }
          // Asked under the lock: a cancellation that comes later finds the waiter.
          if Task.isCancelled { return false }
          guarded.waiters[id] = Waiter(isReached: isReached, continuation: continuation)
          return nil
        }
        if let answer { continuation.resume(returning: answer) }
      }
    } onCancel: {
      giveUp(id)
    }
  }

  private func giveUp(_ id: UInt64) {
    guarded.withLock { $0.waiters.removeValue(forKey: id) }?.continuation
      .resume(returning: false)
  }
}

/// Runs callbacks, and knows whether one of them has something to do at this moment: what is not here waits for something.
///
/// One thread at a time, so that nothing else of the tester's jobs happens between two suspensions of a callback.
final class CallbackExecutor: TaskExecutor {
  private let queue = DispatchQueue(label: "warren.tester")
  private let state: SharedState

  init(_ state: SharedState) {
    self.state = state
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    state.change { $0.busy += 1 }
    queue.async { [self] in
      job.runSynchronously(on: asUnownedTaskExecutor())
      state.change { $0.busy -= 1 }
    }
  }
}
