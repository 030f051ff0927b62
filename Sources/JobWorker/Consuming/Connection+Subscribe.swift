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
    while lifecycle.phase == .working, !Task.isCancelled {
      do throws(AMQPError) {
        return try await consume(subscription)
      } catch {
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
