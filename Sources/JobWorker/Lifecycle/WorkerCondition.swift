public import Jobs
import Synchronization

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
public struct StuckWorkerError: Error, Sendable, Hashable, CustomStringConvertible {
  /// Which job it ran.
  public let job: JobID
  /// Of which type, whose callback is at fault.
  public let type: JobTypeID
  /// How long it was waited for.
  public let limit: Duration

  public var description: String {
    "the callback of \(type) has not ended within \(limit) of being told to (job \(job)); "
      + "the worker ends, since it cannot get that slot back otherwise"
  }
}
