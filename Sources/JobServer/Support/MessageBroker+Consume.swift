import AMQP
import JobTransport
import Logging
import ServiceLifecycle

extension MessageBroker {
  /// Consumes from a queue of the server's own. While the broker fails over it, as RabbitMQ does over a quorum queue whose process
  /// is gone, it is tried again less and less often: each time costs the connection, and the server's other queues theirs.
  ///
  /// - Returns: `nil` when the task was cancelled meanwhile.
  func consume(
    _ subscription: Subscription, clock: any ServerClock, _ log: ServerLog
  ) async throws(AMQPError) -> Deliveries? {
    var failures = 0
    while !Task.isCancelled {
      do throws(AMQPError) {
        return try await consume(subscription)
      } catch {
        guard error.isInternal else { throw error }
        failures += 1
        log.burst(
          .error,
          "the broker fails over a queue, whose process may be gone; see docs/operations.md",
          ["queue": "\(subscription.queue)", "error": "\(error)"])
      }
      guard (try? await clock.sleep(for: RetryPauses.patient.pause(after: failures))) != nil else {
        return nil
      }
    }
    return nil
  }
}

/// Runs a service's work until the process is told to end. That the work is cut short then is no failure of it.
func untilGracefulShutdown(_ work: @escaping @Sendable () async throws -> Void) async throws {
  do {
    try await cancelWhenGracefulShutdown(work)
  } catch AMQPError.cancelled {
    return
  } catch is CancellationError {
    return
  }
}
