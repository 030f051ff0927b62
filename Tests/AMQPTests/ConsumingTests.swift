import AMQP
import TestSupport
import Testing

@Suite("Consuming", .needsBroker, .timeLimit(.minutes(3)))
struct ConsumingTests {
  private static func fill(_ connection: Connection, _ queue: String, _ count: Int) async {
    let verdicts = await connection.publish(
      (1...count).map { number in
        Publication(Message(text: "\(number)"), exchange: "", routingKey: queue)
      })
    #expect(verdicts.allSatisfy { $0 == .confirmed })
  }

  private static func texts(_ deliveries: [Delivery]) -> [String] {
    deliveries.map { String(decoding: $0.message.body, as: UTF8.self) }
  }

  @Test("No more than the prefetch is unacknowledged at a time")
  func prefetch() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      await Self.fill(connection, queue, 10)
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 3))
      let first = try await consumer.collect(3)
      #expect(Self.texts(first) == ["1", "2", "3"])
      // An answer of the broker's shows that no more was under way.
      #expect(try await connection.inspect(queue: queue).messages == 7)
      await consumer.ack([first[1].tag])
      #expect(Self.texts(try await consumer.collect(1)) == ["4"])
      await consumer.ack([first[0].tag, first[2].tag])
      #expect(Self.texts(try await consumer.collect(2)) == ["5", "6"])
    }
  }

  @Test("What is acknowledged is gone, what is refused comes again or goes to the dead letters")
  func settlement() async throws {
    try await withConnection { connection in
      let dead = try await connection.temporaryQueue()
      let queue = try await connection.temporaryQueue(arguments: [
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": .string(dead),
      ])
      await Self.fill(connection, queue, 6)
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 6))
      let tags = try await consumer.collect(6).map(\.tag)
      await consumer.ack([tags[0], tags[1], tags[4]])
      await consumer.nack([tags[2]], requeue: true)
      await consumer.nack([tags[3], tags[5]], requeue: false)
      let again = try await consumer.collect(1)
      #expect(Self.texts(again) == ["3"])
      #expect(again.first?.redelivered == true)
      await consumer.ack(again.map(\.tag))
      let letters = try await connection.consume(Subscription(queue: dead, prefetch: 10))
      let rejected = try await letters.collect(2)
      #expect(Set(Self.texts(rejected)) == ["4", "6"])
      let deaths = rejected.first?.message.properties.headers["x-death"]
      guard case .array(let entries)? = deaths, case .table(let death)? = entries.first else {
        Issue.record("no x-death: \(String(describing: deaths))")
        return
      }
      #expect(death["reason"] == "rejected")
      await consumer.cancel()
      #expect(try await connection.delete(queue: queue) == 0)
    }
  }

  @Test("Acknowledging twice, or a tag of another consumer, does no harm")
  func strays() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      await Self.fill(connection, queue, 2)
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 1))
      let first = try #require(try await consumer.collect(1).first)
      await consumer.ack([first.tag, first.tag])
      await consumer.ack([first.tag, DeliveryTag(generation: first.tag.generation, value: 99)])
      await consumer.ack([DeliveryTag(generation: first.tag.generation + 1, value: 1)])
      #expect(Self.texts(try await consumer.collect(1)) == ["2"])
    }
  }

  @Test("After cancelling, what was delivered can still be taken and acknowledged")
  func cancel() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      await Self.fill(connection, queue, 5)
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 3))
      var tags = try await consumer.collect(1).map(\.tag)
      await consumer.cancel()
      await consumer.cancel()
      while let more = try await consumer.first() { tags += more.map(\.tag) }
      #expect(try await connection.inspect(queue: queue).consumers == 0)
      await consumer.ack(Array(tags.dropLast()))
      await consumer.nack(tags.suffix(1), requeue: true)
      // Three were delivered at most; those acknowledged are gone for good.
      let rest = try await connection.consume(Subscription(queue: queue, prefetch: 10))
      #expect(try await rest.collect(5 - tags.count + 1).count == 5 - tags.count + 1)
    }
  }

  @Test("Without acknowledgement, messages are gone when they are sent")
  func noAck() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      await Self.fill(connection, queue, 50)
      let consumer = try await connection.consume(
        Subscription(queue: queue, prefetch: 1, noAck: true))
      #expect(try await consumer.collect(50).count == 50)
      await consumer.cancel()
      #expect(try await connection.delete(queue: queue) == 0)
    }
  }

  @Test("Consumers that are given up while messages stream in disturb nothing else")
  func streaming() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      await Self.fill(connection, queue, 2_000)
      for _ in 0..<10 {
        let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 500))
        let taken = try await consumer.collect(1)
        await consumer.nack(taken.map(\.tag), requeue: true)
      }
      let rest = try await connection.consume(Subscription(queue: queue, prefetch: 2_000))
      #expect(Set(Self.texts(try await rest.collect(2_000))).count == 2_000)
      #expect(await connection.generation == 1)
    }
  }

  @Test("A consumer that nobody holds gives its messages back")
  func dropped() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      await Self.fill(connection, queue, 4)
      do {
        let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 4))
        #expect(try await consumer.collect(4).count == 4)
      }
      let next = try await connection.consume(Subscription(queue: queue, prefetch: 4))
      let deliveries = try await next.collect(4)
      #expect(deliveries.count == 4)
      #expect(deliveries.allSatisfy { $0.redelivered })
    }
  }

  @Test(
    "A queue that is deleted under its consumer, and not in the topology, ends it with an error")
  func queueGone() async throws {
    try await withConnection { connection in
      // The consumer may be told before the one who deletes, or after.
      for _ in 0..<50 {
        let queue = try await connection.temporaryQueue()
        let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 1))
        try await connection.delete(queue: queue)
        let error = await #expect(throws: AMQPError.self) { try await consumer.first() }
        try #require(error?.replyCode == 404)
      }
    }
  }

  @Test("A queue of the topology that someone deletes is declared again, and consumed again")
  func queueHealed() async throws {
    try await withConnection { connection in
      let queue = "test-healed-\(UInt64.random(in: 0 ... .max))"
      try await connection.declare(
        Topology(queues: [.classic(queue, durable: false, autoDelete: true)]))
      let events = connection.events()
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 1))
      try await withConnection { other in _ = try await other.delete(queue: queue) }
      let event = await bounded(.seconds(10)) { await events.first { _ in true } }
      guard case .resubscribing(queue, _)?? = event else {
        Issue.record("not told: \(String(describing: event))")
        return
      }
      // Published until it gets there: the queue is away for a moment.
      let publication = Publication(
        Message(text: "x"), exchange: "", routingKey: queue, mandatory: true)
      var verdict = PublishVerdict.nacked
      while verdict != .confirmed { verdict = await connection.publish(publication) }
      #expect(Self.texts(try await consumer.collect(1)) == ["x"])
      await consumer.cancel()
    }
  }

  @Test("A consumer that is cancelled while it is subscribed again leaves the connection alone")
  func cancelledWhileHealing() async throws {
    try await withConnection { other in
      try await withConnection { connection in
        let queue = "test-cancelled-\(UInt64.random(in: 0 ... .max))"
        for round in 0..<60 {
          try await connection.declare(
            Topology(queues: [.classic(queue, durable: false, autoDelete: true)]))
          let events = connection.events()
          let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 1))
          _ = try await other.delete(queue: queue)
          _ = await bounded(.seconds(10)) { await events.first { _ in true } }
          // Each time a little later, so that every step of subscribing is met.
          try await Task.sleep(for: .microseconds(100 * round))
          await consumer.cancel()
        }
        #expect(try await connection.delete(queue: queue) == 0)
        #expect(await connection.generation == 1)
      }
    }
  }

  @Test("A second exclusive consumer is refused with the broker's reason")
  func exclusive() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      let subscription = Subscription(queue: queue, prefetch: 1, exclusive: true)
      let first = try await connection.consume(subscription)
      let error = await #expect(throws: AMQPError.self) {
        try await connection.consume(subscription)
      }
      #expect(error?.replyCode == 403)
      await first.cancel()
      _ = try await connection.consume(subscription)
    }
  }

  @Test("Consuming from a queue that does not exist is refused")
  func missing() async throws {
    try await withConnection { connection in
      let error = await #expect(throws: AMQPError.self) {
        try await connection.consume(Subscription(queue: "no-such-queue", prefetch: 1))
      }
      #expect(error?.replyCode == 404)
      #expect(error?.description.contains("no-such-queue") == true)
    }
  }

  @Test("More consumers than the connection has channels are refused with the limit")
  func channels() async throws {
    try await withConnection(configuration { $0.channelMax = 5 }) { connection in
      let queue = try await connection.temporaryQueue()
      var consumers: [Consumer] = []
      for _ in 1...4 {
        consumers.append(try await connection.consume(Subscription(queue: queue, prefetch: 1)))
      }
      let error = await #expect(throws: AMQPError.self) {
        try await connection.consume(Subscription(queue: queue, prefetch: 1))
      }
      #expect(error?.description.contains("5") == true)
      await consumers.removeFirst().cancel()
      consumers.append(try await connection.consume(Subscription(queue: queue, prefetch: 1)))
    }
  }
}
