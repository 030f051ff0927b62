import AMQP
import Foundation
import JobTransport
import Jobs
import Synchronization

/// Finds out that all reports which lie in the inbox have been applied: a mark is laid in behind them, and comes back to
/// the server in its turn. Before a job is taken from a worker that is gone, what that worker said last has to be known.
final class InboxMarks: Sendable {
  private let connection: Connection
  private let names: TransportNames
  private let patience: Duration
  private let waiting = Mutex<[UUID: AsyncStream<Void>.Continuation]>([:])

  init(connection: Connection, names: TransportNames, patience: Duration) {
    self.connection = connection
    self.names = names
    self.patience = patience
  }

  /// Returns `true` once everything that was in the inbox before this call has been applied, `false` when that could not be
  /// seen in time.
  func isReadUpToNow() async -> Bool {
    let mark = UUID()
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
    waiting.withLock { $0[mark] = continuation }
    defer { waiting.withLock { $0[mark] = nil } }
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
        try? await Task.sleep(for: self.patience)
        return false
      }
      let isRead = await group.next() ?? false
      group.cancelAll()
      return isRead
    }
  }

  /// Called when a mark has come back, after everything before it was applied.
  func reach(_ mark: UUID) {
    waiting.withLock { $0[mark] }?.yield()
  }
}
