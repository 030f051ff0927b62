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
