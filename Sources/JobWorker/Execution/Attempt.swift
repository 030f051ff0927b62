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
  /// Nothing has been heard of it for too long.
  static let stall = AttemptOrders(rawValue: 1 << 6)
}

extension AttemptOrders {
  /// It has taken too long, or said nothing for too long.
  static let outOfTime: AttemptOrders = [.timeOut, .stall]
}

/// How long an attempt may take, and how long it may say nothing; zero is without limit.
struct AttemptTimeLimit: Sendable, Hashable {
  var timeout: Duration = .zero
  var stall: Duration = .zero

  /// Which of the two it has outrun.
  func excess(_ orders: AttemptOrders) -> String {
    if orders.contains(.timeOut) { return "took longer than its time-out of \(timeout)" }
    let whole = Double(Int64(stall.seconds)) == stall.seconds
    let seconds = whole ? "\(Int64(stall.seconds))" : "\(stall.seconds)"
    return "stalled: no progress for \(seconds) s"
  }
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
    /// What was given as the reason of a cancellation.
    var reason: String?
    var task: Task<Void, Never>?
    /// `nil` before the start, and after the end.
    var observer: (any AttemptObserver)?
  }

  private let state = Mutex(State())

  /// What it has been told so far.
  var orders: AttemptOrders { state.withLock(\.orders) }

  /// Why it was told to end.
  var cancelReason: CancelReason? { state.withLock { CancelReason($0.orders, $0.reason) } }

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
  ///
  /// - Parameter reason: what somebody gave for a cancellation; the first one counts.
  func order(_ orders: AttemptOrders, because reason: String? = nil) {
    guard !orders.isEmpty else { return }
    let (task, observer, isNews) = state.withLock { state in
      let isNews = !orders.isSubset(of: state.orders)
      state.orders.formUnion(orders)
      if state.reason == nil { state.reason = reason }
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

extension CancelReason {
  /// Of several orders the one that decides, as in ``AttemptOutcome``.
  init?(_ orders: AttemptOrders, _ reason: String?) {
    let all: [(AttemptOrders, CancelReason)] = [
      (.stop, .fenced), (.cancel, .canceled(reason: reason)), (.suspend, .suspending),
      (.timeOut, .timedOut), (.stall, .stalled), (.giveBack, .shuttingDown),
      (.abandon, .shuttingDown),
    ]
    guard let first = all.first(where: { orders.contains($0.0) }) else { return nil }
    self = first.1
  }
}

/// The work was ended from outside, as everything else on its machine may have been: nobody's failure.
struct Interruption: Error, Hashable, CustomStringConvertible {
  let description: String
}

/// What is reported of an attempt: a function of how its callback ended and what it had been told by then.
///
/// | | ended by itself | canceled or suspended | timed out or stalled | given back |
/// |---|---|---|---|---|
/// | returned a result | completed | completed | completed | completed |
/// | threw ``JobSkip`` | skipped | skipped | skipped | skipped |
/// | threw ``PermanentFailure`` | failed, permanent | canceled | timed out | failed, permanent |
/// | threw ``RetryAfter`` | failed, again after that time | canceled | timed out | failed, again after that time |
/// | threw ``Snooze`` | snoozed | canceled | timed out | snoozed |
/// | threw ``WorkerTrouble`` or ``Interruption`` | returned | canceled | timed out | returned |
/// | threw anything else | what the type decides, else failed | canceled | timed out | returned |
///
/// With several orders, the leftmost decides. Of one that was stopped or abandoned nothing is reported.
enum AttemptOutcome: Sendable, Hashable {
  case report(JobOutcome)
  case silence

  /// - Parameters:
  ///   - limit: what it was allowed; for the message.
  ///   - decide: what the type makes of an error.
  init(
    of result: Result<JSONPayload?, any Error>, orders: AttemptOrders, limit: AttemptTimeLimit,
    limits: OutcomeLimits, decide: (@Sendable (any Error) -> RetryDecision?)? = nil
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
      self = .report(Self.failed(error, orders, limit, limits, decide))
    }
  }

  /// What is said of an attempt that has run out of time and does not end.
  static func overdue(
    _ limit: AttemptTimeLimit, after orders: AttemptOrders, grace: Duration
  ) -> JobOutcome {
    .timedOut(
      error: "\(limit.excess(orders)), and has not ended within \(grace) of being told to")
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
    _ error: any Error, _ orders: AttemptOrders, _ limit: AttemptTimeLimit,
    _ limits: OutcomeLimits,
    _ decide: (@Sendable (any Error) -> RetryDecision?)?
  ) -> JobOutcome {
    // Which of the two it is, the job's status tells the server.
    if !orders.isDisjoint(with: [.cancel, .suspend]) { return .canceled }
    if !orders.isDisjoint(with: .outOfTime) {
      let reason = error is CancellationError ? "" : ": \(error)"
      return .timedOut(error: limits.bounded("\(limit.excess(orders))\(reason)"))
    }
    switch error {
    case let failure as PermanentFailure:
      return .failed(error: limits.bounded(failure.description), permanent: true)
    case let retry as RetryAfter:
      return .retryAfter(
        error: limits.bounded(retry.description), delay: retry.delay, counted: retry.counted)
    case let snooze as Snooze:
      return .snoozed(snooze.delay, reason: snooze.reason.map(limits.bounded))
    case is WorkerTrouble, is Interruption:
      return .returned
    default:
      if orders.contains(.giveBack) { return .returned }
      return decided(limits.bounded(String(describing: error)), decide?(error))
    }
  }

  private static func decided(_ error: String, _ decision: RetryDecision?) -> JobOutcome {
    switch decision {
    case .retry, nil: .failed(error: error, permanent: false)
    case .fail: .failed(error: error, permanent: true)
    case .retryAfter(let delay, let counted):
      .retryAfter(error: error, delay: delay, counted: counted)
    case .snooze(let delay): .snoozed(delay, reason: error)
    }
  }
}
