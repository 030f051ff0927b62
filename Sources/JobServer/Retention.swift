package import Jobs
import Logging
import ServiceLifecycle
import Synchronization

/// Prunes jobs that ended longer ago than they are kept: a while after the start, and then every few minutes. What has failed
/// is tried again in the next round.
final class Retention: Service {
  /// How many jobs go in one transaction: some 20 ms, which whoever writes may have to wait for.
  static let batchSize = 250
  /// Until the first round: others have more to do at the start.
  static let delay = Duration.seconds(60)
  /// Between two rounds.
  static let interval = Duration.seconds(300)
  /// How long operations on many jobs are kept after their end.
  static let operationAge = Duration.seconds(30 * 86_400)
  /// The shortest pause between two batches.
  static let shortestPause = Duration.milliseconds(10)
  /// How long whoever asks while another round is under way is kept waiting.
  static let turn = Duration.seconds(1)

  let store: any JobStore
  let policy: RetentionPolicy
  let clock: any ServerClock
  let log: ServerLog
  /// Two at once would leave the others no time.
  private let isPruning = Mutex(false)

  init(store: any JobStore, policy: RetentionPolicy, clock: any ServerClock, log: ServerLog) {
    self.store = store
    self.policy = policy
    self.clock = clock
    self.log = log
  }

  func run() async throws {
    await cancelWhenGracefulShutdown { [self] in
      var pause = Self.delay
      while (try? await clock.sleep(for: pause)) != nil {
        pause = Self.interval
        do {
          _ = try await prune()
          try await store.pruneOperations(
            endedBy: clock.now + (.zero - Self.operationAge), limit: Self.batchSize)
          try await pruneDeadLetters()
        } catch {
          log.count(\.storeFailures)
          log.burst(.error, "jobs could not be pruned; it is tried again", ["error": "\(error)"])
        }
      }
    }
  }

  /// Prunes whatever is due, a batch at a time. Half of the time is left to those who insert, claim and report: after each
  /// batch there is a pause that is as long as the batch took.
  ///
  /// - Parameter limit: no batch is begun after that time; `nil` goes on to the end.
  /// - Returns: what is gone. While somebody else prunes that is nothing, a little later, and there may be more.
  func prune(within limit: Duration? = nil) async throws(StoreError) -> Pruned {
    var pruned = Pruned()
    let isFirst = isPruning.withLock { isPruning in
      defer { isPruning = true }
      return !isPruning
    }
    guard isFirst else {
      try? await clock.sleep(for: Self.turn)
      pruned.hasMore = true
      return pruned
    }
    defer {
      isPruning.withLock { $0 = false }
      tell(pruned)
    }
    let end = limit.map { clock.uptime + $0 } ?? .longest
    repeat {
      let start = clock.uptime
      pruned.add(try await store.prune(policy, at: clock.now, limit: Self.batchSize))
      let now = clock.uptime
      let pause = max(Self.shortestPause, now - start)
      guard pruned.hasMore, now + pause < end, (try? await clock.sleep(for: pause)) != nil
      else { break }
    } while clock.uptime < end
    return pruned
  }

  /// Removes dead letters that are too old, a batch at a time.
  private func pruneDeadLetters() async throws(StoreError) {
    let age = policy.deadLetterAge
    var (waiting, accepted) = (0, 0)
    defer {
      if waiting + accepted > 0 {
        log.count(\.prunedLetters, waiting)
        log.logger.log(
          level: waiting > 0 ? .warning : .info, "dead letters were pruned",
          metadata: ["unmended": "\(waiting)", "accepted": "\(accepted)"])
      }
    }
    var isLast = false
    while !isLast {
      let start = clock.uptime
      let pruned = try await store.pruneDeadLetters(
        unchangedSince: age > .zero ? clock.now + (.zero - age) : nil,
        acceptedBy: clock.now + (.zero - RetentionPolicy.acceptedLetterAge), limit: Self.batchSize)
      waiting += pruned.waiting
      accepted += pruned.accepted
      let pause = max(Self.shortestPause, clock.uptime - start)
      isLast = pruned.waiting + pruned.accepted < Self.batchSize
      if !isLast, (try? await clock.sleep(for: pause)) == nil { isLast = true }
    }
  }

  private func tell(_ pruned: Pruned) {
    guard pruned.total > 0 || pruned.tombstones > 0 else { return }
    log.logger.info(
      "jobs that ended long ago were pruned",
      metadata: [
        "jobs": "\(pruned.total)", "tombstones": "\(pruned.tombstones)",
        "kinds": "\(pruned.jobs.map(\.description).joined(separator: ", "))",
      ])
  }
}

extension PruneCount {
  fileprivate var description: String {
    "\(count) \(status.rawValue) \(type?.description ?? "of an unknown type")"
  }
}

extension JobOperations {
  /// Prunes jobs that ended longer ago than they are kept, of all tenants: what the server does by itself every few minutes.
  ///
  /// - Parameters:
  ///   - dryRun: whether it is only counted what would go.
  ///   - limit: for about how long; the report says whether there is more.
  package func prune(
    dryRun: Bool, within limit: Duration
  ) async throws(JobOperationError) -> PruneReport {
    let pruned = try await reading { () throws(StoreError) in
      if dryRun {
        try await store.prunable(retention.policy, at: clock.now)
      } else {
        try await retention.prune(within: limit)
      }
    }
    return PruneReport(pruned, dryRun: dryRun)
  }
}
