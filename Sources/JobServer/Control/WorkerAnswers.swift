import AMQP
import JobTransport
import ServiceLifecycle

/// Takes in what workers answer to the server's questions, through a queue of this process: who answers over direct reply-to
/// has to be allowed to write to every queue.
struct WorkerAnswers: Service {
  /// The connection that questions go through.
  let connection: Connection
  let queue: String
  let clock: any ServerClock
  let log: ServerLog

  func run() async throws {
    try await untilGracefulShutdown {
      guard
        let consumer = try await connection.consume(
          Subscription(queue: queue, prefetch: 0, noAck: true), clock: clock, log)
      else { return }
      for try await deliveries in consumer {
        // One that nobody waits for any more came too late.
        for delivery in deliveries { await connection.take(reply: delivery.message) }
      }
    }
  }
}
