import AMQP
import Foundation
import Logging

/// Publishes each of its arguments as a message, and says what became of it: exit 0 only if the broker has them all.
@main
struct Publish {
  static func main() async throws {
    let url = ProcessInfo.processInfo.environment["WARREN_BROKER"] ?? "amqp://127.0.0.1/"
    var configuration = try ConnectionConfiguration(url: url)
    configuration.connectionName = "example publishing"
    let connection = Connection(
      configuration: configuration, topology: Topology(queues: [.quorum("example.lines")]),
      logger: Logger(label: "publish"))
    let isComplete = try await withThrowingTaskGroup(of: Void.self) { group in
      // The connection lives for as long as this task; it makes itself again after a loss.
      group.addTask { try await connection.run() }
      defer { group.cancelAll() }
      return try await publish(connection)
    }
    if !isComplete { exit(1) }
  }

  private static func publish(_ connection: Connection) async throws -> Bool {
    try await connection.waitUntilReady(timeout: .seconds(10))
    let publications = CommandLine.arguments.dropFirst().map { line in
      let message = Message(
        text: line,
        properties: MessageProperties(contentType: "text/plain", deliveryMode: .persistent))
      // Mandatory: a message that no queue takes is returned, instead of confirmed and dropped.
      return Publication(message, exchange: "", routingKey: "example.lines", mandatory: true)
    }
    // All at a time: they are written in one go, and confirmed together.
    let verdicts = await connection.publish(publications)
    for (publication, verdict) in zip(publications, verdicts) where verdict != .confirmed {
      print("\(String(decoding: publication.message.body, as: UTF8.self)): \(verdict)")
    }
    return verdicts.allSatisfy { $0 == .confirmed }
  }
}
