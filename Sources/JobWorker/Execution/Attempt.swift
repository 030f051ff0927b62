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

/// One running attempt: its task, and the orders that reach it.
final class Attempt: Sendable {
  enum Event: Sendable {
    /// The callback has reported progress for the first time.
    case progressed
    /// It was told to end.
    case ordered(AttemptOrders)
    /// The job that it was locked by has ended.
    case released
    /// The callback has ended, and these orders had been given by then.
    case ended(Result<JSONValue?, any Error>, AttemptOrders)
    /// It has not ended within the grace period after it was told to.
    case overdue
    /// Nobody waits for it any longer.
    case abandoned
  }

  private struct State {
    var orders: AttemptOrders = []
    var task: Task<Void, Never>?
  }

  /// What happens to it; read by the one who runs it.
  let events: AsyncStream<Event>
  private let continuation: AsyncStream<Event>.Continuation
  private let state = Mutex(State())

  init() {
    (events, continuation) = AsyncStream.makeStream()
  }

  /// What it has been told so far.
  var orders: AttemptOrders { state.withLock(\.orders) }

  /// Runs the callback, unless there is an order already: then it ends at once.
  ///
  /// In a task of its own, because it is cancelled by itself, and because nobody can be made to wait for ever for a callback
  /// that does not end when it is told to.
  func start(_ callback: @escaping @Sendable () async throws -> JSONValue?) {
    state.withLock { state in
      guard state.orders.isEmpty else {
        continuation.yield(.ended(.failure(CancellationError()), state.orders))
        return
      }
      state.task = Task {
        let result: Result<JSONValue?, any Error>
        do {
          result = .success(try await callback())
        } catch {
          result = .failure(error)
        }
        continuation.yield(.ended(result, orders))
      }
    }
  }

  /// Gives orders, on top of those given before.
  func order(_ orders: AttemptOrders) {
    guard !orders.isEmpty else { return }
    let (task, isNews) = state.withLock { state in
      defer { state.orders.formUnion(orders) }
      return (state.task, !orders.isSubset(of: state.orders))
    }
    if isNews { continuation.yield(.ordered(orders)) }
    task?.cancel()
    if orders.contains(.abandon) { continuation.yield(.abandoned) }
  }

  /// Notes that there is progress to be passed on.
  func progressed() {
    continuation.yield(.progressed)
  }

  /// Notes that the job is not locked any longer.
  func release() {
    continuation.yield(.released)
  }

  /// Notes that the grace period after an order is over.
  func isOverdue() {
    continuation.yield(.overdue)
  }
}
