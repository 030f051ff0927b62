import AMQP
import TestSupport
import Testing

@Suite("Publishing", .needsBroker, .timeLimit(.minutes(3)))
struct PublishingTests {
  @Test("Publications and requests name the user who publishes, and nobody else can be named")
  func userID() async throws {
    let identified = try await configuration { $0.userID = "guest" }
    try await withConnection(identified) { connection in
      let queue = try await connection.temporaryQueue()
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 10))
      #expect(
        await connection.publish(Publication(Message(), exchange: "", routingKey: queue))
          == .confirmed)
      let asking = Task {
        try await connection.request(
          Publication(Message(), exchange: "", routingKey: queue), timeout: .seconds(10))
      }
      let deliveries = try await consumer.collect(2)
      asking.cancel()
      #expect(deliveries.map(\.message.properties.userID) == ["guest", "guest"])
    }
    let forged = try await configuration { $0.userID = "somebody" }
    try await withConnection(forged) { connection in
      let queue = try await connection.temporaryQueue()
      let verdict = await connection.publish(
        Publication(Message(), exchange: "", routingKey: queue), timeout: .seconds(10))
      #expect(verdict != .confirmed)
      #expect(try await connection.inspect(queue: queue).messages == 0)
    }
  }

  @Test("A routed message is confirmed and delivered")
  func confirmed() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      let message = Message(text: "hello")
      let verdict = await connection.publish(
        Publication(message, exchange: "", routingKey: queue, mandatory: true))
      #expect(verdict == .confirmed)
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 10))
      let deliveries = try #require(await consumer.first())
      #expect(deliveries.map(\.message) == [message])
      #expect(deliveries.first?.routingKey == queue)
      #expect(deliveries.first?.exchange == "")
      #expect(deliveries.first?.redelivered == false)
      await consumer.ack(deliveries.map(\.tag))
    }
  }

  @Test("A mandatory message that reaches no queue is returned, its neighbours are not")
  func returned() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      let keys = [queue, "nowhere", queue, "nowhere", "elsewhere"]
      let verdicts = await connection.publish(
        keys.enumerated().map { index, key in
          Publication(
            Message(text: "\(index)"), exchange: "", routingKey: key, mandatory: index != 4)
        })
      let returned = PublishVerdict.returned(replyCode: 312, text: "NO_ROUTE")
      #expect(verdicts == [.confirmed, returned, .confirmed, returned, .confirmed])
    }
  }

  @Test("A full queue that rejects gives nacks")
  func nacked() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue(arguments: [
        "x-max-length": 3, "x-overflow": "reject-publish",
      ])
      var verdicts: [PublishVerdict] = []
      for number in 1...5 {
        verdicts.append(
          await connection.publish(
            Publication(Message(text: "\(number)"), exchange: "", routingKey: queue)))
      }
      #expect(verdicts == [.confirmed, .confirmed, .confirmed, .nacked, .nacked])
      #expect(try await connection.inspect(queue: queue).messages == 3)
    }
  }

  @Test(
    "An unknown exchange fails what is in flight with the broker's reason, and no more than that")
  func unknownExchange() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      let verdict = await connection.publish(
        Publication(Message(), exchange: "no-such-exchange", routingKey: ""))
      guard case .unknown(let why) = verdict else {
        Issue.record("not unknown: \(verdict)")
        return
      }
      #expect(why.contains("404") && why.contains("no-such-exchange"))
      let next = await connection.publish(Publication(Message(), exchange: "", routingKey: queue))
      #expect(next == .confirmed, "the channel is opened again")
    }
  }

  @Test("A publication that AMQP cannot carry is not sent, the others are")
  func invalid() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      let verdicts = await connection.publish([
        Publication(Message(text: "a"), exchange: "", routingKey: queue),
        Publication(Message(), exchange: "", routingKey: String(repeating: "x", count: 256)),
        Publication(Message(text: "b"), exchange: "", routingKey: queue),
      ])
      #expect(verdicts.first == .confirmed && verdicts.last == .confirmed)
      guard case .notSent(let why)? = verdicts.dropFirst().first else {
        Issue.record("not .notSent: \(verdicts)")
        return
      }
      #expect(why.contains("routing key"))
      #expect(try await connection.inspect(queue: queue).messages == 2)
      #expect(await connection.publish([]) == [])
    }
  }

  @Test("Many at once, from many tasks, more than may be unconfirmed: all confirmed, none lost")
  func many() async throws {
    try await withConnection(configuration { $0.maximumUnconfirmed = 50 }) { connection in
      let queue = try await connection.temporaryQueue()
      let verdicts = await withTaskGroup(of: [PublishVerdict].self) { group in
        for task in 0..<20 {
          group.addTask {
            await connection.publish(
              (0..<100).map { number in
                Publication(
                  Message(text: "\(task)-\(number)"), exchange: "", routingKey: queue,
                  mandatory: true)
              })
          }
        }
        return await group.reduce(into: []) { $0 += $1 }
      }
      #expect(verdicts.count == 2_000)
      #expect(verdicts.allSatisfy { $0 == .confirmed })
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 300))
      var seen: Set<[UInt8]> = []
      var last: [String: Int] = [:]
      while seen.count < 2_000, let deliveries = try await consumer.first() {
        await consumer.ack(deliveries.map(\.tag))
        for delivery in deliveries {
          #expect(seen.insert(delivery.message.body).inserted)
          let parts = String(decoding: delivery.message.body, as: UTF8.self).split(separator: "-")
          let number = try #require(Int(parts[1]))
          #expect(number == last[String(parts[0]), default: -1] + 1, "a batch keeps its order")
          last[String(parts[0])] = number
        }
      }
      #expect(seen.count == 2_000)
    }
  }

  @Test("Bodies of any size around the frame limit, and megabytes, come back whole")
  func sizes() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      let frame = 131_072 - 8
      for size in [0, 1, frame - 1, frame, frame + 1, 3 * frame, 5_000_000] {
        let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let verdict = await connection.publish(
          Publication(Message(body: body), exchange: "", routingKey: queue))
        #expect(verdict == .confirmed)
        let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 1))
        let delivery = try #require(await consumer.first()?.first)
        #expect(delivery.message.body == body, "\(size) bytes")
        await consumer.ack([delivery.tag])
        await consumer.cancel()
      }
    }
  }

  @Test("All properties and all kinds of header values come back as they were")
  func properties() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      let properties = MessageProperties(
        contentType: "text/plain; charset=utf-8", contentEncoding: "identität",
        headers: [
          "bool": true, "no": false, "i8": .int8(-8), "u8": .uint8(200), "i16": .int16(-16_000),
          "u16": .uint16(60_000), "i32": .int32(.min), "u32": .uint32(.max), "i64": .int64(.min),
          "u64": .uint64(.max),
          "float": .float(1.5), "double": .double(-0.1), "decimal": .decimal(scale: 2, value: 314),
          "text": "Grüße, 世界 🐇", "empty": "", "bytes": .bytes([0, 255, 1]), "void": .void,
          "time": .timestamp(1_700_000_000), "none": [], "nothing": .table([:]),
          "array": [1, "two", [true, .void]], "table": ["inner": ["deep": "ü"]],
          "schlüssel": "umlaut",
        ],
        deliveryMode: .persistent, priority: 9, correlationID: "c-1", replyTo: "r",
        expiration: "60000",
        messageID: "m-1", timestamp: 1_763_900_000, type: "typ:ß", userID: "guest", appID: "tests")
      let message = Message(text: "b", properties: properties)
      let verdict = await connection.publish(
        Publication(message, exchange: "", routingKey: queue))
      #expect(verdict == .confirmed)
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 1))
      let delivery = try #require(await consumer.first()?.first)
      #expect(delivery.message == message)
      #expect(
        delivery.message.properties.headers.names.sorted() == properties.headers.names.sorted())
      for name in properties.headers.names {
        #expect(delivery.message.properties.headers[name] == properties.headers[name], "\(name)")
      }
    }
  }

  @Test("Without a connection, the verdict comes when the time is up, and says why")
  func down() async throws {
    let ports = try FreePorts.find(1)
    let configuration = try ConnectionConfiguration(url: "amqp://127.0.0.1:\(ports[0])")
    let connection = Connection(configuration: configuration, logger: quietLogger())
    let publication = Publication(Message(), exchange: "", routingKey: "q")
    let before = await connection.publish(publication, timeout: .milliseconds(50))
    #expect(before == .notSent("timed out after 0.05 seconds: not connected"))
    let events = connection.events()
    let run = Task { try await connection.run() }
    _ = await bounded(.seconds(60)) { await events.first { _ in true } }
    let verdict = await connection.publish(publication, timeout: .milliseconds(500))
    guard case .notSent(let why) = verdict else {
      Issue.record("not .notSent: \(verdict)")
      return
    }
    #expect(why.contains("cannot connect") && why.contains("refused"))
    run.cancel()
    try await run.value
    #expect(await connection.publish(publication) == .notSent("run() has ended"))
  }

  @Test(
    "A channel to publish on whose opening gets no answer is not waited for: another one is opened")
  func unanswered() async throws {
    let confirmSelectOk = LossyBroker.Method(channel: 1, classID: 85, methodID: 11)
    try await LossyBroker.with(losing: confirmSelectOk) { url in
      let hasty = try await configuration(url) { $0.rpcTimeout = .seconds(2) }
      try await withConnection(hasty) { connection in
        #expect(await connection.generation == 1)
        let verdict = await connection.publish(
          Publication(Message(), exchange: "", routingKey: "nowhere"), timeout: .seconds(60))
        #expect(verdict == .confirmed)
        #expect(await connection.generation == 1)
      }
    }
  }
}
