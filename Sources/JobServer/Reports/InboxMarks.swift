import AMQP
import Foundation
import JobTransport
import Jobs
import Synchronization

/// Finds out that all reports which lie in the inbox have been applied: a mark is laid in behind them, and comes back to
/// the server in its turn. Before a job is taken from a worker that is gone, what that worker said last has to be known.
///
/// Whoever asks while a mark is under way shares the next one, so that a thousand jobs need no thousand marks.
final class InboxMarks: Sendable {
  private let waiting: Waiting
  private let marks: Batcher<Void, Bool, Never>

  init(
    connection: any MessageBroker, names: TransportNames, patience: Duration,
    clock: any ServerClock = SystemClock()
  ) {
    let waiting = Waiting()
    self.waiting = waiting
    marks = Batcher(limit: .max) { askers in
      let isRead = await waiting.lay(
        connection: connection, names: names, patience: patience, clock: clock)
      return .success(askers.map { _ in isRead })
    }
  }

  /// Returns `true` once everything that was in the inbox before this call has been applied, `false` when that could not be
  /// seen in time.
  func isReadUpToNow() async -> Bool {
    await marks.submit([()])[0]
  }

  /// Called when a mark has come back, after everything before it was applied.
  func reach(_ mark: UUID) {
    waiting.reach(mark)
  }
}

/// The marks that have not come back.
private final class Waiting: Sendable {
  private let marks = Mutex<[UUID: AsyncStream<Void>.Continuation]>([:])

  func reach(_ mark: UUID) {
    marks.withLock { $0[mark] }?.yield()
  }

  /// Lays a mark into the inbox.
  ///
  /// - Returns: whether it has come back in time.
  func lay(
    connection: any MessageBroker, names: TransportNames, patience: Duration,
    clock: any ServerClock
  ) async -> Bool {
    let mark = UUID()
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
    marks.withLock { $0[mark] = continuation }
    defer { marks.withLock { $0[mark] = nil } }
    guard let message = try? WireCoding.message(WorkerMessage.mark(mark)) else { return false }
    let verdict = await connection.publish(
      Publication(message, exchange: "", routingKey: names.reports, mandatory: true),
      timeout: patience)
    guard verdict == .confirmed else { return false }
    return await withTaskGroup { group in
      group.addTask {
        for await _ in stream { return true }
        return false
      }
      group.addTask {
        // Ends early only when the task is cancelled; either way the mark was not seen.
        try? await clock.sleep(for: patience)
        return false
      }
      let isRead = await group.next() ?? false
      group.cancelAll()
      return isRead
    }
  }
}
