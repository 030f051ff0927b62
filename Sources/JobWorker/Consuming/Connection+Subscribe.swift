import AMQP
import Logging

extension Connection {
  /// Subscribes, however long the broker is away.
  ///
  /// - Returns: `nil` when the worker ends before.
  /// - Throws: what waiting does not heal, such as a refusal by the broker.
  func subscribe(
    _ subscription: Subscription, until lifecycle: WorkerLifecycle, logger: Logger
  ) async throws(AMQPError) -> Consumer? {
    var pause = Pause(first: .milliseconds(400), longest: .seconds(5))
    // Each of these costs the connection, which serves the other queues, too.
    var failure = Pause(first: .seconds(1), longest: .seconds(60))
    while lifecycle.phase == .working, !Task.isCancelled {
      do throws(AMQPError) {
        return try await consume(subscription)
      } catch {
        if error.isInternal {
          logger.error(
            "the broker fails over a queue, whose process may be gone; see docs/operations.md",
            metadata: ["queue": "\(subscription.queue)", "error": "\(error)"])
          if await lifecycle.reached(.draining, within: failure.take()) { break }
          continue
        }
        switch error {
        case .timeout, .socket, .connect, .connectionClosed, .protocolViolation: break
        case .closed, .cancelled: return nil
        default: throw error
        }
        logger.warning(
          "not yet subscribed",
          metadata: ["queue": "\(subscription.queue)", "error": "\(error)"])
      }
      if await lifecycle.reached(.draining, within: pause.take()) { break }
    }
    return nil
  }
}
