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
    var outage: WorkerOutage?
    var stuck: [JobID: StuckAttempt] = [:]
    var connected: Set<Link> = []
  }

  private let state = Mutex(State())
  /// Has what changed announced.
  private let onChange: @Sendable () -> Void

  init(onChange: @escaping @Sendable () -> Void = {}) {
    self.onChange = onChange
  }

  /// Why the worker takes no jobs for now.
  var outage: WorkerOutage? { state.withLock(\.outage) }

  var isOut: Bool { outage != nil }

  /// The attempts that were told to end and have not, the oldest first.
  var stuck: [StuckAttempt] { state.withLock { $0.stuck.values.sorted { $0.since < $1.since } } }

  /// Whether the broker can be reached, both ways.
  var isConnected: Bool { state.withLock { $0.connected.count == Link.allCases.count } }

  /// Notes why the worker takes no jobs; `nil` when it does again.
  ///
  /// - Returns: what was noted before.
  @discardableResult
  func set(_ outage: WorkerOutage?) -> WorkerOutage? {
    let before = state.withLock { state in
      defer { state.outage = outage }
      return state.outage
    }
    if before != outage { onChange() }
    return before
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
