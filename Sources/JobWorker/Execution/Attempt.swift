import Foundation
import Jobs
import Synchronization

/// What an attempt has been told to do. Any of them cancels its task; what the task then does decides, with them, the
/// outcome.
struct AttemptOrders: OptionSet, Sendable, Hashable {
  let rawValue: UInt8

  /// The job is canceled.
  static let cancel = AttemptOrders(rawValue: 1 << 0)
  /// Its time is over.
  static let timeOut = AttemptOrders(rawValue: 1 << 1)
  /// The worker ends.
  static let giveBack = AttemptOrders(rawValue: 1 << 2)
  /// The attempt is no longer the job's: nothing is reported.
  static let stop = AttemptOrders(rawValue: 1 << 3)
  /// The worker does not wait for it any longer: nothing is reported.
  static let abandon = AttemptOrders(rawValue: 1 << 4)
  /// The job is suspended.
  static let suspend = AttemptOrders(rawValue: 1 << 5)
}

/// Told what happens to an attempt while its callback runs.
protocol AttemptObserver: AnyObject, Sendable {
  /// It was told to end.
  func ordered(_ orders: AttemptOrders)
  /// The job that it was locked by has ended.
  func released()
  /// Nobody waits for it any longer; how it ends is not asked.
  func abandoned()
}

/// One running attempt: its task, and the orders that reach it.
final class Attempt: Sendable {
  private struct State {
    var orders: AttemptOrders = []
    var task: Task<Void, Never>?
    /// `nil` before the start, and after the end.
    var observer: (any AttemptObserver)?
  }

  private let state = Mutex(State())

  /// What it has been told so far.
  var orders: AttemptOrders { state.withLock(\.orders) }

  /// Runs `work`, which calls ``end()`` when the callback has ended. With orders that were given before, it calls none.
  ///
  /// In a task of its own, because it is cancelled by itself, and because nobody can be made to wait for ever for a callback
  /// that does not end when it is told to.
  func start(
    _ observer: any AttemptObserver, _ work: @escaping @Sendable (AttemptOrders) async -> Void
  ) {
    state.withLock { state in
      state.observer = observer
      state.task = Task { [orders = state.orders] in await work(orders) }
    }
  }

  /// The callback has ended.
  ///
  /// - Returns: the orders that had been given by then; `nil` when nobody waits for it any longer.
  func end() -> AttemptOrders? {
    state.withLock { state in
      guard state.observer != nil else { return nil }
      state.observer = nil
      state.task = nil
      return state.orders
    }
  }

  /// Gives orders, on top of those given before.
  func order(_ orders: AttemptOrders) {
    guard !orders.isEmpty else { return }
    let (task, observer, isNews) = state.withLock { state in
      let isNews = !orders.isSubset(of: state.orders)
      state.orders.formUnion(orders)
      defer { if orders.contains(.abandon) { state.observer = nil } }
      return (state.task, state.observer, isNews)
    }
    if isNews { observer?.ordered(orders) }
    task?.cancel()
    if orders.contains(.abandon) { observer?.abandoned() }
  }

  /// Notes that the job is not locked any longer.
  func release() {
    state.withLock(\.observer)?.released()
  }
}

/// The work was ended from outside, as everything else on its machine may have been: nobody's failure.
struct Interruption: Error, Hashable, CustomStringConvertible {
  let description: String
}

/// What is reported of an attempt: a function of how its callback ended and what it had been told by then.
///
/// | | ended by itself | canceled or suspended | timed out | given back |
/// |---|---|---|---|---|
/// | returned a result | completed | completed | completed | completed |
/// | threw ``JobSkip`` | skipped | skipped | skipped | skipped |
/// | threw ``PermanentFailure`` | failed, permanent | canceled | timed out | failed, permanent |
/// | threw ``WorkerTrouble`` or ``Interruption`` | returned | canceled | timed out | returned |
/// | threw anything else | failed | canceled | timed out | returned |
///
/// With several orders, the leftmost decides. Of one that was stopped or abandoned nothing is reported.
enum AttemptOutcome: Sendable, Hashable {
  case report(JobOutcome)
  case silence

  /// - Parameter timeout: what it was allowed; for the message.
  init(
    of result: Result<JSONPayload?, any Error>, orders: AttemptOrders, timeout: Duration,
    limits: OutcomeLimits
  ) {
    guard orders.isDisjoint(with: [.stop, .abandon]) else {
      self = .silence
      return
    }
    switch result {
    case .success(let value):
      self = .report(Self.completed(value, limits))
    case .failure(let skip as JobSkip):
      self = .report(.skipped(reason: limits.bounded(skip.reason)))
    case .failure(let error):
      self = .report(Self.failed(error, orders, timeout, limits))
    }
  }

  /// What is said of an attempt that is past its time-out and does not end.
  static func overdue(timeout: Duration, grace: Duration) -> JobOutcome {
    .timedOut(
      error: "took longer than its time-out of \(timeout), and has not ended within \(grace)"
        + " of being told to")
  }

  private static func completed(_ value: JSONPayload?, _ limits: OutcomeLimits) -> JobOutcome {
    guard let value else { return .completed(result: nil) }
    do throws(JSONError) {
      try value.check()
    } catch {
      return .failed(error: "the result cannot be sent: \(error)", permanent: true)
    }
    let size = value.bytes.count
    guard size <= limits.result else {
      return .failed(
        error: "the result has \(size) bytes as JSON; a job's result may have \(limits.result)",
        permanent: true)
    }
    return .completed(result: value)
  }

  private static func failed(
    _ error: any Error, _ orders: AttemptOrders, _ timeout: Duration, _ limits: OutcomeLimits
  ) -> JobOutcome {
    // Which of the two it is, the job's status tells the server.
    if !orders.isDisjoint(with: [.cancel, .suspend]) { return .canceled }
    if orders.contains(.timeOut) {
      let reason = error is CancellationError ? "" : ": \(error)"
      return .timedOut(
        error: limits.bounded("took longer than its time-out of \(timeout)\(reason)"))
    }
    if let failure = error as? PermanentFailure {
      return .failed(error: limits.bounded(failure.description), permanent: true)
    }
    if orders.contains(.giveBack) || error is WorkerTrouble || error is Interruption {
      return .returned
    }
    return .failed(error: limits.bounded(String(describing: error)), permanent: false)
  }
}
