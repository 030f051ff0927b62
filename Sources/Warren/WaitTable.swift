import Foundation
import Jobs
import Synchronization

/// A job, and for whom it is asked: another tenant is told nothing of it.
struct AskedJob: Hashable {
  let tenant: UUID
  let id: JobID
}

/// Who waits for which job.
final class WaitTable: Sendable {
  /// What is to be asked for one tenant.
  struct Wishes {
    var ends: [JobID] = []
    var watches: [JobID] = []
    /// Watched no longer.
    var over: [JobID] = []
  }

  /// What is to be asked again.
  struct Again {
    var jobs: [AskedJob] = []
    var isEverything = false
  }

  fileprivate struct Entry {
    var waiters: [UInt64: CheckedContinuation<Job, any Error>] = [:]
    var watchers: [UInt64: AsyncThrowingStream<Job, any Error>.Continuation] = [:]
    let since = ContinuousClock.now
    /// When it is asked for again, whatever was told.
    var audit = ContinuousClock.now + Entry.audits.lowerBound
    var unknownSince: ContinuousClock.Instant?
    /// It is unknown, and will be asked for again after a pause.
    var isPaused = false
    var isEmpty: Bool { waiters.isEmpty && watchers.isEmpty }

    static let audits = Duration.seconds(60)...Duration.seconds(600)
    static let watchAudits = Duration.seconds(60)...Duration.seconds(60)
  }

  fileprivate struct State {
    var entries: [AskedJob: Entry] = [:]
    /// To be asked for.
    var wanted: Set<AskedJob> = []
    /// Nobody here watches them any more.
    var over: Set<AskedJob> = []
    var nextToken: UInt64 = 0
    /// Of waits that were given up before they began.
    var givenUp: Set<UInt64> = []
    /// Why nobody is told any more.
    var end: (any Error)?
    var refusals = 0
    var warned: ContinuousClock.Instant?
  }

  private let state = Mutex(State())
  /// There is something to be asked.
  let wakeUps: AsyncStream<Void>
  private let wakeUp: AsyncStream<Void>.Continuation

  init() {
    (wakeUps, wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  // MARK: Waiting

  /// Waits for a job's end.
  func end(of job: AskedJob) async throws -> Job {
    let token = newToken()
    defer { state.withLock { _ = $0.givenUp.remove(token) } }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { wait(for: job, token, $0) }
    } onCancel: {
      giveUp(job, token)
    }
  }

  /// The job now, and after each change, until it is at rest.
  func changes(of job: AskedJob) -> AsyncThrowingStream<Job, any Error> {
    let token = newToken()
    return AsyncThrowingStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
      continuation.onTermination = { [self] _ in unwatch(job, token) }
      watch(job, token, continuation)
    }
  }

  private func newToken() -> UInt64 {
    state.withLock { state in
      state.nextToken += 1
      return state.nextToken
    }
  }

  private func wait(
    for job: AskedJob, _ token: UInt64, _ continuation: CheckedContinuation<Job, any Error>
  ) {
    let refusal: (any Error)? = state.withLock { state in
      if let end = state.end { return end }
      if state.givenUp.remove(token) != nil { return CancellationError() }
      var entry = state.entries[job] ?? Entry()
      // Somebody may wait already, or watch; that it ends is asked for whoever comes first.
      if entry.waiters.isEmpty { state.wanted.insert(job) }
      entry.waiters[token] = continuation
      state.entries[job] = entry
      return nil
    }
    if let refusal { continuation.resume(throwing: refusal) } else { wakeUp.yield() }
  }

  private func giveUp(_ job: AskedJob, _ token: UInt64) {
    let continuation = state.withLock { state in
      guard let continuation = state.entries[job]?.waiters.removeValue(forKey: token) else {
        state.givenUp.insert(token)
        return nil as CheckedContinuation<Job, any Error>?
      }
      if state.entries[job]?.isEmpty == true { state.forget(job) }
      return continuation
    }
    continuation?.resume(throwing: CancellationError())
  }

  private func watch(
    _ job: AskedJob, _ token: UInt64,
    _ continuation: AsyncThrowingStream<Job, any Error>.Continuation
  ) {
    let end: (any Error)? = state.withLock { state in
      guard state.end == nil else { return state.end }
      var entry = state.entries[job] ?? Entry()
      entry.watchers[token] = continuation
      entry.audit = min(entry.audit, .now + Entry.audits.lowerBound)
      state.entries[job] = entry
      state.wanted.insert(job)
      state.over.remove(job)
      return nil
    }
    if let end { continuation.finish(throwing: end) } else { wakeUp.yield() }
  }

  private func unwatch(_ job: AskedJob, _ token: UInt64) {
    let isOver = state.withLock { state in
      guard state.entries[job]?.watchers.removeValue(forKey: token) != nil else { return false }
      let isOver = state.entries[job]?.watchers.isEmpty == true
      if isOver { state.over.insert(job) }
      if state.entries[job]?.isEmpty == true { state.forget(job) }
      return isOver
    }
    if isOver { wakeUp.yield() }
  }

  // MARK: Asking

  /// What is to be asked, by tenant; it counts as asked from now on.
  func takeWishes() -> [UUID: Wishes] {
    let (wanted, over) = state.withLock { state in
      let wanted = state.wanted.map { job in
        let entry = state.entries[job]
        return (job, entry?.waiters.isEmpty == false, entry?.watchers.isEmpty == false)
      }
      defer { (state.wanted, state.over) = ([], []) }
      return (wanted, state.over)
    }
    var wishes: [UUID: Wishes] = [:]
    for (job, isAwaited, isWatched) in wanted {
      if isAwaited { wishes[job.tenant, default: Wishes()].ends.append(job.id) }
      if isWatched { wishes[job.tenant, default: Wishes()].watches.append(job.id) }
    }
    for job in over { wishes[job.tenant, default: Wishes()].over.append(job.id) }
    return wishes
  }

  /// Everything that is waited for is to be asked once more.
  func askAgain() {
    ask(Again(isEverything: true))
  }

  /// Some of what is waited for is to be asked once more.
  func ask(_ again: Again) {
    let isAny = state.withLock { state in
      let jobs = again.isEverything ? Array(state.entries.keys) : again.jobs
      for job in jobs where state.entries[job] != nil {
        state.entries[job]?.isPaused = false
        state.wanted.insert(job)
      }
      return !state.wanted.isEmpty
    }
    if isAny { wakeUp.yield() }
  }

  /// Asks again for what is waited for since long, the longer the more rarely: for an answer that nobody can have lost.
  func audit(at now: ContinuousClock.Instant = .now) {
    let isAny = state.withLock { state in
      // Changed below.
      let due = state.entries.filter { $0.value.audit <= now }
      for (job, entry) in due {
        // Which prolongs a watch.
        let audits = entry.watchers.isEmpty ? Entry.audits : Entry.watchAudits
        let pause = min(
          max(entry.since.duration(to: now) / 2, audits.lowerBound), audits.upperBound)
        state.entries[job]?.audit = now + pause
        state.wanted.insert(job)
      }
      return !due.isEmpty
    }
    if isAny { wakeUp.yield() }
  }

  /// How soon a job that is unknown for so long is asked for again.
  static func pause(unknownFor age: Duration) -> Duration {
    max(.milliseconds(20), .milliseconds((age / 4).milliseconds))
  }

  // MARK: Answers

  /// A job, as the server says it is.
  ///
  /// - Parameter isOfWatch: whether the watch says it, whose answers come in the order of the changes. What else is told of a job that has
  ///   not ended may be older.
  func tell(_ job: Job, isOfWatch: Bool) {
    let asked = AskedJob(tenant: job.tenantID, id: job.id)
    let isEnd = job.status.isFinal
    let (waiters, watchers) = state.withLock { state in
      guard var entry = state.entries[asked] else {
        return ([], [])
          as (
            [CheckedContinuation<Job, any Error>],
            [AsyncThrowingStream<Job, any Error>.Continuation]
          )
      }
      entry.unknownSince = nil
      let watchers = isOfWatch || isEnd ? Array(entry.watchers.values) : []
      var waiters: [CheckedContinuation<Job, any Error>] = []
      if isEnd {
        waiters = Array(entry.waiters.values)
        entry.waiters = [:]
      }
      if !watchers.isEmpty, job.status.isAtRest {
        entry.watchers = [:]
        // The server goes on with a watch until the end.
        if !isEnd { state.over.insert(asked) }
      }
      state.entries[asked] = entry
      if entry.isEmpty { state.forget(asked) }
      return (waiters, watchers)
    }
    for waiter in waiters { waiter.resume(returning: job) }
    for watcher in watchers {
      watcher.yield(job)
      if job.status.isAtRest { watcher.finish() }
    }
    if !watchers.isEmpty, job.status.isAtRest { wakeUp.yield() }
  }

  /// The server does not know a job. It may not have read it yet.
  ///
  /// - Parameter limit: for how long it may be unknown.
  /// - Returns: after how long it is to be asked again: the longer it is unknown, the more rarely. `nil` when nobody waits any more, or it
  ///   will be asked again already.
  func noteUnknown(_ job: AskedJob, limit: Duration) -> Duration? {
    let (pause, lost) = state.withLock { state -> (Duration?, Entry?) in
      guard let entry = state.entries[job], !entry.isPaused else { return (nil, nil) }
      let since = entry.unknownSince ?? .now
      let age = since.duration(to: .now)
      guard age < limit else {
        state.forget(job)
        return (nil, entry)
      }
      state.entries[job]?.unknownSince = since
      state.entries[job]?.isPaused = true
      return (Self.pause(unknownFor: age), nil)
    }
    lost?.fail(UnknownJob(id: job.id))
    return pause
  }

  /// A question was refused.
  ///
  /// - Returns: how many were since that was said last; `nil` when it was said a moment ago.
  func warnings(every pause: Duration) -> Int? {
    state.withLock { state in
      state.refusals += 1
      if let warned = state.warned, warned.duration(to: .now) < pause { return nil }
      defer { (state.refusals, state.warned) = (0, .now) }
      return state.refusals
    }
  }

  // MARK: Its end

  /// - Throws: why nobody is told any more.
  func checkIsOpen() throws {
    if let end = state.withLock(\.end) { throw end }
  }

  /// Nobody will be told any more, whoever asks later either.
  func fail(_ error: any Error) {
    let entries = state.withLock { state in
      state.end = error
      defer { (state.entries, state.wanted, state.over) = ([:], [], []) }
      return state.entries.values
    }
    for entry in entries { entry.fail(error) }
  }
}

extension WaitTable.State {
  fileprivate mutating func forget(_ job: AskedJob) {
    entries[job] = nil
    wanted.remove(job)
  }
}

extension WaitTable.Entry {
  fileprivate func fail(_ error: any Error) {
    for waiter in waiters.values { waiter.resume(throwing: error) }
    for watcher in watchers.values { watcher.finish(throwing: error) }
  }
}
