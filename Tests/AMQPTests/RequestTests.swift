import AMQP
import TestSupport
import Testing

@Suite("Asking and answering", .needsBroker, .timeLimit(.minutes(3)))
struct RequestTests {
  /// Answers each request with its body in capitals, in reverse order of each batch.
  private static func answer(_ connection: Connection, _ consumer: Consumer) async throws {
    for try await deliveries in consumer {
      let answers = deliveries.reversed().map { delivery in
        let properties = delivery.message.properties
        return Publication(
          Message(
            text: String(decoding: delivery.message.body, as: UTF8.self).uppercased(),
            properties: MessageProperties(correlationID: properties.correlationID)),
          exchange: "", routingKey: properties.replyTo ?? "")
      }
      let verdicts = await connection.publish(answers)
      #expect(Set(verdicts) == [.confirmed])
      await consumer.ack(deliveries.map(\.tag))
    }
  }

  @Test("Each of many concurrent requests gets its own answer")
  func answers() async throws {
    try await withConnection { server in
      let queue = "test-requests-\(UInt64.random(in: 0 ... .max))"
      try await server.declare(
        Topology(queues: [.classic(queue, durable: false, autoDelete: true)]))
      let consumer = try await server.consume(Subscription(queue: queue, prefetch: 50))
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await Self.answer(server, consumer) }
        try await withConnection { client in
          try await withThrowingTaskGroup(of: Void.self) { requests in
            for number in 0..<200 {
              requests.addTask {
                let reply = try await client.request(
                  Publication(Message(text: "ask \(number)"), exchange: "", routingKey: queue),
                  timeout: .seconds(20))
                #expect(String(decoding: reply.body, as: UTF8.self) == "ASK \(number)")
              }
            }
            try await requests.waitForAll()
          }
        }
        await consumer.cancel()
        try await group.waitForAll()
      }
    }
  }

  @Test("An answer that comes through a queue of one's own is given to who asked")
  func ownQueue() async throws {
    try await withConnection { connection in
      let questions = try await connection.temporaryQueue()
      let replies = try await connection.temporaryQueue()
      let asked = try await connection.consume(Subscription(queue: questions, prefetch: 50))
      let came = try await connection.consume(
        Subscription(queue: replies, prefetch: 0, noAck: true))
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await Self.answer(connection, asked) }
        group.addTask {
          for try await deliveries in came {
            for delivery in deliveries {
              let isFirst = await connection.take(reply: delivery.message)
              let isAgain = await connection.take(reply: delivery.message)
              #expect(isFirst && !isAgain)
            }
          }
        }
        try await withThrowingTaskGroup(of: Void.self) { requests in
          for number in 0..<20 {
            requests.addTask {
              var question = Message(text: "ask \(number)")
              question.properties.replyTo = replies
              let reply = try await connection.request(
                Publication(question, exchange: "", routingKey: questions),
                timeout: .seconds(20))
              #expect(String(decoding: reply.body, as: UTF8.self) == "ASK \(number)")
            }
          }
          try await requests.waitForAll()
        }
        await asked.cancel()
        await came.cancel()
        try await group.waitForAll()
      }
    }
  }

  @Test("Nobody to ask: an error at once")
  func nobody() async throws {
    try await withConnection { connection in
      let start = ContinuousClock.now
      await #expect(throws: AMQPError.returned(code: 312, text: "NO_ROUTE")) {
        try await connection.request(
          Publication(Message(), exchange: "", routingKey: "nobody"), timeout: .seconds(30))
      }
      #expect(ContinuousClock.now - start < .seconds(10))
    }
  }

  @Test("No answer: an error when the time is up; and the answer that comes too late is dropped")
  func late() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      let error = await #expect(throws: AMQPError.self) {
        try await connection.request(
          Publication(Message(text: "x"), exchange: "", routingKey: queue),
          timeout: .milliseconds(300))
      }
      guard case .timeout? = error else {
        Issue.record("not a timeout: \(String(describing: error))")
        return
      }
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 50))
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await Self.answer(connection, consumer) }
        let reply = try await connection.request(
          Publication(Message(text: "y"), exchange: "", routingKey: queue), timeout: .seconds(20))
        #expect(reply.body == Array("Y".utf8))
        await consumer.cancel()
        try await group.waitForAll()
      }
    }
  }

  @Test("An unknown exchange fails the request with the broker's reason, the next one works")
  func unknownExchange() async throws {
    try await withConnection { connection in
      let error = await #expect(throws: AMQPError.self) {
        try await connection.request(
          Publication(Message(), exchange: "no-such-exchange", routingKey: ""),
          timeout: .seconds(20))
      }
      #expect(error?.replyCode == 404)
      await #expect(throws: AMQPError.returned(code: 312, text: "NO_ROUTE")) {
        try await connection.request(
          Publication(Message(), exchange: "", routingKey: "nobody"), timeout: .seconds(20))
      }
    }
  }

  @Test("A cancelled task stops waiting")
  func cancelled() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      let request = Task {
        try await connection.request(
          Publication(Message(), exchange: "", routingKey: queue), timeout: .seconds(60))
      }
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 1))
      _ = try await consumer.collect(1)
      request.cancel()
      await #expect(throws: AMQPError.cancelled) { try await request.value }
    }
  }
}
