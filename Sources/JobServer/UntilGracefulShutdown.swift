import AMQP
import ServiceLifecycle

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
