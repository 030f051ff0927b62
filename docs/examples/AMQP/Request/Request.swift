import AMQP
import Foundation
import Logging

/// Asks a question and answers it: a request over direct reply-to, and the other side of it.
@main
struct Request {
  static func main() async throws {
    let url = ProcessInfo.processInfo.environment["WARREN_BROKER"] ?? "amqp://127.0.0.1/"
    let logger = Logger(label: "request")
    let questions = "example.questions"
    let queue = QueueDeclaration(questions, durable: false, exclusive: true, autoDelete: false)
    // Whoever answers has the queue; it is gone with the connection.
    let answering = Connection(
      configuration: try ConnectionConfiguration(url: url), topology: Topology(queues: [queue]),
      logger: logger)
    let asking = Connection(configuration: try ConnectionConfiguration(url: url), logger: logger)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await answering.run() }
      group.addTask { try await asking.run() }
      defer { group.cancelAll() }
      try await answering.waitUntilReady(timeout: .seconds(10))
      let consumer = try await answering.consume(Subscription(queue: questions, prefetch: 10))
      group.addTask {
        for try await deliveries in consumer {
          let answers = deliveries.compactMap { answer(to: $0.message) }
          _ = await answering.publish(answers)
          await consumer.ack(deliveries.map(\.tag))
        }
      }

      // The reply comes to this connection alone, without a queue of its own.
      let reply = try await asking.request(
        Publication(Message(text: "how are you?"), exchange: "", routingKey: questions),
        timeout: .seconds(5))
      print(String(decoding: reply.body, as: UTF8.self))
    }
  }

  private static func answer(to question: Message) -> Publication? {
    guard let address = question.properties.replyTo else { return nil }
    let text = String(decoding: question.body, as: UTF8.self).uppercased()
    return Publication(
      Message(
        text: text,
        properties: MessageProperties(correlationID: question.properties.correlationID)),
      exchange: "", routingKey: address)
  }
}
