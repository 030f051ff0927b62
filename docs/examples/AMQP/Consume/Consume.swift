import AMQP
import Foundation
import Logging

/// Prints the messages of a queue, and acknowledges what it has printed. Ends when the queue has been empty for a second.
@main
struct Consume {
  static func main() async throws {
    let url = ProcessInfo.processInfo.environment["WARREN_BROKER"] ?? "amqp://127.0.0.1/"
    var configuration = try ConnectionConfiguration(url: url)
    configuration.connectionName = "example consuming"
    let connection = Connection(
      configuration: configuration, topology: Topology(queues: [.quorum("example.lines")]),
      logger: Logger(label: "consume"))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await connection.run() }
      defer { group.cancelAll() }
      try await connection.waitUntilReady(timeout: .seconds(10))
      // No more than 200 are here without an acknowledgement.
      let consumer = try await connection.consume(
        Subscription(queue: "example.lines", prefetch: 200))
      group.addTask {
        while try await connection.inspect(queue: "example.lines").messages > 0 {
          try await Task.sleep(for: .seconds(1))
        }
        try await Task.sleep(for: .seconds(1))
        await consumer.cancel()
      }
      // All that has gathered meanwhile, at a time: what costs something is done once for all of them.
      for try await deliveries in consumer {
        for delivery in deliveries {
          print(String(decoding: delivery.message.body, as: UTF8.self))
        }
        await consumer.ack(deliveries.map(\.tag))
      }
    }
  }
}
