package import Jobs
import Logging
import Synchronization

/// Thrown by a callback that cannot do its work because of the worker it runs in, and not because of its job.
///
/// The job is given back: that is no failure and no retry. The worker takes no more jobs, says so in its announcement (so
/// that `GET /workers` shows it) and in its log, and goes on once the probe passes; until then it is tried again, with pauses
/// that grow from a second to a minute.
package struct WorkerTrouble: Error, Sendable, CustomStringConvertible {
  /// Which jobs meet it, and are not taken until it is over.
  package enum Scope: Sendable, Hashable {
    /// All.
    case worker
    /// Those of the queue that the job came from. A queue's jobs cannot be told apart before they are taken.
    case queue
  }

  /// What is wrong with the worker.
  package let description: String
  /// Which jobs meet it.
  package let scope: Scope
  let probe: @Sendable () async throws -> Void

  /// - Parameters:
  ///   - scope: which jobs meet it.
  ///   - probe: throws for as long as another job would fail the same way.
  package init(
    _ reason: String, scope: Scope = .worker,
    probe: @escaping @Sendable () async throws -> Void = {}
  ) {
    description = reason
    self.scope = scope
    self.probe = probe
  }
}

/// What of a worker is out of service.
enum OutageScope: Sendable, Hashable, CustomStringConvertible {
  case worker
  case queue(JobQueueName)

  var queue: JobQueueName? {
    if case .queue(let name) = self { name } else { nil }
  }

  var description: String { queue.map { "the queue \($0)" } ?? "all queues" }

  func contains(_ name: JobQueueName) -> Bool {
    queue == nil || queue == name
  }
}

/// Takes the worker, or one queue of it, out of service while it cannot do its work.
struct OutageHandler: Sendable {
  private enum Event: Sendable {
    case began(OutageScope, WorkerTrouble)
    case ended(OutageScope, Pause, ContinuousClock.Instant)
  }

  private let consumers: QueueConsumers
  private let condition: WorkerCondition
  private let lifecycle: WorkerLifecycle
  private let pauses: Pause
  private let logger: Logger
  /// Of each scope there is one outage at a time, so that these are few.
  private let events: AsyncStream<Event>
  private let continuation: AsyncStream<Event>.Continuation

  /// What has been in service for so long starts with the shortest pause again.
  private static let recovered = Duration.seconds(120)

  init(
    consumers: QueueConsumers, condition: WorkerCondition, lifecycle: WorkerLifecycle,
    pauses: Pause = Pause(first: .seconds(1), longest: .seconds(60)), logger: Logger
  ) {
    self.consumers = consumers
    self.condition = condition
    self.lifecycle = lifecycle
    self.pauses = pauses
    self.logger = logger
    (events, continuation) = AsyncStream.makeStream()
  }

  /// Stops taking jobs. When this returns the broker delivers no more, so that what is given back goes to another worker.
  ///
  /// - Parameter queue: which the job came from.
  func begin(_ trouble: WorkerTrouble, in queue: JobQueueName) async {
    let scope = trouble.scope == .queue ? consumers.scope(of: queue) : .worker
    guard !condition.set(trouble.description, of: scope) else { return }
    await consumers.pause(scope)
    logger.error(
      "the worker cannot do its work; it takes no jobs until it can",
      metadata: ["from": "\(scope)", "reason": "\(trouble)"])
    // Only now, so that nobody takes up work again while it is still being stopped.
    continuation.yield(.began(scope, trouble))
  }

  /// Runs until the task is cancelled.
  func run() async {
    var ended: [OutageScope: (pause: Pause, at: ContinuousClock.Instant)] = [:]
    await withDiscardingTaskGroup { group in
      for await event in events {
        switch event {
        case .began(let scope, let trouble):
          var pause = pauses
          if let last = ended[scope], .now - last.at <= Self.recovered { pause = last.pause }
          group.addTask { [pause] in await recover(scope, trouble, pause) }
        case .ended(let scope, let pause, let time):
          ended[scope] = (pause, time)
        }
      }
    }
  }

  /// Returns when the trouble is over, the task is cancelled, or the worker ends.
  private func recover(_ scope: OutageScope, _ trouble: WorkerTrouble, _ first: Pause) async {
    var pause = first
    while true {
      if await lifecycle.reached(.draining, within: pause.take()) { return }
      guard !Task.isCancelled else { return }
      do {
        try await trouble.probe()
        break
      } catch {
        logger.warning(
          "the worker still cannot do its work",
          metadata: ["from": "\(scope)", "reason": "\(error)"])
        condition.set("\(error)", of: scope)
      }
    }
    continuation.yield(.ended(scope, pause, .now))
    logger.notice("the worker takes jobs again", metadata: ["from": "\(scope)"])
    // In this order: a further trouble in between stops the consumers again.
    await consumers.resume(scope)
    condition.set(nil, of: scope)
  }
}

/// What keeps a worker from working as it should: what its announcement tells of it, and its health file.
final class WorkerCondition: Sendable {
  /// A connection of the worker.
  enum Link: Sendable, Hashable, CaseIterable {
    case consuming
    case publishing
  }

  private struct State {
    var outages: [OutageScope: WorkerOutage] = [:]
    var stuck: [JobID: StuckAttempt] = [:]
    var connected: Set<Link> = []
  }

  private let state = Mutex(State())
  /// Has what changed announced.
  private let onChange: @Sendable () -> Void

  init(onChange: @escaping @Sendable () -> Void = {}) {
    self.onChange = onChange
  }

  /// Why the worker takes no jobs at all for now.
  var outage: WorkerOutage? { outage(of: .worker) }

  /// Why it takes none from some of its queues.
  var queueOutages: [WorkerOutage] {
    state.withLock { state in
      state.outages.filter { $0.key != .worker }.values.sorted { $0.since < $1.since }
    }
  }

  func outage(of scope: OutageScope) -> WorkerOutage? { state.withLock { $0.outages[scope] } }

  /// The attempts that were told to end and have not, the oldest first.
  var stuck: [StuckAttempt] { state.withLock { $0.stuck.values.sorted { $0.since < $1.since } } }

  /// Whether the broker can be reached, both ways.
  var isConnected: Bool { state.withLock { $0.connected.count == Link.allCases.count } }

  /// Notes why the worker, or one queue of it, is out of service; `nil` when it is not any longer.
  ///
  /// - Returns: whether it was before.
  @discardableResult
  func set(_ reason: String?, of scope: OutageScope) -> Bool {
    let (before, after) = state.withLock { state in
      let before = state.outages[scope]
      let after = reason.map {
        WorkerOutage(reason: $0, since: before?.since ?? .now, queue: scope.queue)
      }
      state.outages[scope] = after
      return (before, after)
    }
    if before != after { onChange() }
    return before != nil
  }

  func add(_ attempt: StuckAttempt) {
    state.withLock { $0.stuck[attempt.job] = attempt }
    onChange()
  }

  /// The attempt has ended after all.
  func remove(_ job: JobID) {
    if state.withLock({ $0.stuck.removeValue(forKey: job) }) != nil { onChange() }
  }

  func set(_ link: Link, isConnected: Bool) {
    state.withLock { state in
      if isConnected { state.connected.insert(link) } else { state.connected.remove(link) }
    }
  }
}

/// A callback does not end though it was told to: the worker has ended itself, so that its supervisor starts it anew.
package struct StuckWorkerError: Error, Sendable, Hashable, CustomStringConvertible {
  /// Which job it ran.
  package let job: JobID
  /// Of which type, whose callback is at fault.
  package let type: JobTypeID
  /// How long it was waited for.
  package let limit: Duration

  package var description: String {
    "the callback of \(type) has not ended within \(limit) of being told to (job \(job)); "
      + "the worker ends, since it cannot get that slot back otherwise"
  }
}
