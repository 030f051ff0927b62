import Foundation
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import AMQP

@Suite("One failure, one victim", .needsBroker, .timeLimit(.minutes(5)))
struct IsolationTests {
  private static func name(_ kind: String) -> String {
    "test-\(kind)-\(UInt64.random(in: 0 ... .max))"
  }

  /// Asks until the answer is yes, for at most half a minute.
  private static func eventually(_ condition: @escaping @Sendable () async -> Bool) async -> Bool {
    await bounded(.seconds(30)) {
      while !(await condition()) { try? await Task.sleep(for: .milliseconds(20)) }
      return true
    } ?? false
  }

  @Test("Headers that nest 1,000 or 8,000 levels harm nobody, and are told of")
  func nested() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 10))
      try await connection.publishRaw(
        [FieldScanTests.properties(nesting: 8_000), FieldScanTests.properties(nesting: 1_000)],
        to: queue)
      let deliveries = try await consumer.collect(2)
      #expect(
        deliveries.map { $0.message.properties.headersRefused != nil } == [true, true])
      #expect(deliveries.allSatisfy { $0.message.properties.correlationID == "abc" })
      await consumer.ack(deliveries.map(\.tag))
      let verdict = await connection.publish(
        Publication(Message(text: "next"), exchange: "", routingKey: queue))
      #expect(verdict == .confirmed)
      #expect(try await consumer.collect(1).count == 1)
      #expect(await connection.generation == 1)
    }
  }

  @Test("An unknown exchange fails what is for it, and nothing of what is in flight beside it")
  func unknownExchange() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<20 {
          group.addTask {
            let verdicts = await connection.publish(
              (0..<100).map {
                Publication(Message(text: "\($0)"), exchange: "", routingKey: queue)
              })
            #expect(verdicts.allSatisfy { $0 == .confirmed })
          }
          group.addTask {
            let verdict = await connection.publish(
              Publication(Message(), exchange: "no-such-exchange", routingKey: ""))
            #expect("\(verdict)".contains("404"))
          }
        }
      }
      #expect(try await connection.inspect(queue: queue).messages == 2_000)
      #expect(await connection.generation == 1)
    }
  }

  @Test("A batch to several exchanges has each verdict in its place")
  func mixed() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      let verdicts = await connection.publish(
        ["", "amq.direct", "no-such-exchange", "", "amq.fanout"].map {
          Publication(Message(), exchange: $0, routingKey: queue)
        })
      #expect(verdicts.enumerated().allSatisfy { ($1 == .confirmed) == ($0 != 2) }, "\(verdicts)")
    }
  }

  @Test("A queue that takes messages again is published to again, by the same connection")
  func refusedForATime() async throws {
    let broker = try await ThrowawayBroker.shared()
    let queue = Self.name("reject")
    try await withConnection { connection in
      try await connection.declare(Topology(queues: [.quorum(queue)]))
      _ = try await broker.control(
        "set_policy", queue, "^\(queue)$", #"{"max-length": 5, "overflow": "reject-publish"}"#,
        "--apply-to", "queues")
      let publication = Publication(Message(text: "x"), exchange: "", routingKey: queue)
      let isFull = await Self.eventually {
        let verdicts = await connection.publish(Array(repeating: publication, count: 20))
        return verdicts.contains(.nacked)
      }
      #expect(isFull)
      _ = try await broker.control("clear_policy", queue)
      // RabbitMQ 3.10 would go on refusing on the channel on which it has refused.
      let takesAgain = await Self.eventually { await connection.publish(publication) == .confirmed }
      #expect(takesAgain)
      #expect(await connection.publish(publication) == .confirmed)
      try await connection.delete(queue: queue)
      #expect(await connection.generation == 1)
    }
  }

  @Test("A declaration that is refused keeps nothing else away, and is made as soon as it can be")
  func refusedDeclaration() async throws {
    try await withConnection { other in
      let (contested, own) = (Self.name("contested"), Self.name("own"))
      try await other.declare(Topology(queues: [.classic(contested)]))
      var configuration = try await configuration()
      configuration.reconnect = ReconnectPolicy(
        initialDelay: .milliseconds(50), maximumDelay: .milliseconds(100))
      let connection = Connection(
        configuration: configuration,
        topology: Topology(
          exchanges: [ExchangeDeclaration(contested, kind: .direct, durable: false)],
          queues: [
            .quorum(contested), .classic(own, durable: false, exclusive: true),
          ],
          bindings: [Binding(queue: own, source: contested, routingKey: "k")]),
        logger: quietLogger())
      let events = connection.events()
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await connection.run() }
        defer { group.cancelAll() }
        try await connection.waitUntilReady(timeout: .seconds(30))
        let event = await bounded(.seconds(10)) { await events.first { _ in true } }
        guard case .declarationRefused(let what, let error)?? = event else {
          Issue.record("not told: \(String(describing: event))")
          return
        }
        #expect(what.contains(contested) && error.replyCode == 406)
        let verdict = await connection.publish(
          Publication(Message(), exchange: contested, routingKey: "k", mandatory: true))
        #expect(verdict == .confirmed, "what follows in the topology is declared")
        try await other.delete(queue: contested)
        let isMade = await Self.eventually {
          (try? await connection.inspect(queue: contested)) != nil
        }
        #expect(isMade)
        #expect(await connection.generation == 1)
        try await connection.delete(queue: contested)
        try await connection.delete(exchange: contested)
      }
    }
  }

  @Test("A queue whose process is gone costs its own consumer, and the others a moment at most")
  func brokenQueue() async throws {
    let broker = try await ThrowawayBroker.shared()
    try await withConnection { connection in
      let (sound, broken) = (Self.name("sound"), Self.name("broken"))
      try await connection.declare(Topology(queues: [.classic(sound), .quorum(broken)]))
      let consumer = try await connection.consume(Subscription(queue: sound, prefetch: 10))
      let lost = try await connection.consume(Subscription(queue: broken, prefetch: 10))
      // As a deletion leaves it that a crash of the broker cuts short.
      _ = try await broker.control(
        "eval", "ra:force_delete_server(quorum_queues, {'%2F_\(broken)', node()}).")
      // Each attempt to subscribe to it ends the connection, with 541.
      let error = await #expect(throws: AMQPError.self) {
        _ = try await connection.consume(Subscription(queue: broken, prefetch: 10))
      }
      #expect(error?.replyCode == 541)
      let publication = Publication(Message(text: "x"), exchange: "", routingKey: sound)
      for _ in 0..<20 {
        let isPublished = await Self.eventually {
          await connection.publish(publication) == .confirmed
        }
        #expect(isPublished)
        let deliveries = try await consumer.collect(1)
        await consumer.ack(deliveries.map(\.tag))
        try await Task.sleep(for: .milliseconds(50))
      }
      try await connection.waitUntilReady(timeout: .seconds(30))
      #expect(await connection.generation < 8)
      await lost.cancel()
      await consumer.cancel()
      for queue in [broken, sound] {
        let isDeleted = await Self.eventually {
          (try? await connection.delete(queue: queue)) != nil
        }
        #expect(isDeleted)
      }
    }
  }

  @Test("A queue of the topology that somebody has deleted is declared again to be consumed from")
  func deletedBeforeConsuming() async throws {
    try await withConnection { connection in
      let queue = Self.name("deleted")
      try await connection.declare(Topology(queues: [.classic(queue)]))
      try await withConnection { other in _ = try await other.delete(queue: queue) }
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 1))
      let verdict = await connection.publish(
        Publication(Message(text: "x"), exchange: "", routingKey: queue, mandatory: true))
      #expect(verdict == .confirmed)
      #expect(try await consumer.collect(1).count == 1)
      await consumer.cancel()
      _ = try await connection.delete(queue: queue)
      // One that nobody declares is refused at once.
      let error = await #expect(throws: AMQPError.self) {
        _ = try await connection.consume(Subscription(queue: queue, prefetch: 1))
      }
      #expect(error?.replyCode == 404)
      #expect(await connection.generation == 1)
    }
  }

  @Test(
    "A call that gets no answer frees its channel; what waits behind it is asked on the next one")
  func stuck() async throws {
    let declareOk = LossyBroker.Method(channel: 1, classID: 50, methodID: 11)
    try await LossyBroker.with(losing: declareOk) { url in
      let hasty = try await configuration(url) { $0.rpcTimeout = .seconds(2) }
      try await withConnection(hasty) { connection in
        let error = await #expect(throws: AMQPError.self) {
          try await connection.declareServerNamedQueue()
        }
        guard case .timeout? = error else {
          Issue.record("not timed out: \(String(describing: error))")
          return
        }
        let queue = try await connection.temporaryQueue()
        #expect(try await connection.inspect(queue: queue).messages == 0)
        #expect(await connection.generation == 1)
      }
    }
  }

  @Test("A host that refuses, and one that says nothing, are passed over for the next")
  func hosts() async throws {
    let broker = try await ThrowawayBroker.shared()
    let silent = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .bind(host: "127.0.0.1", port: 0).get()
    let silentPort = try #require(silent.localAddress?.port)
    let closedPort = try FreePorts.find(1)[0]
    let url =
      "amqp://guest:guest@127.0.0.1:\(closedPort),127.0.0.1:\(silentPort),localhost:\(broker.port)"
      + "?connection_timeout=1000"
    try await withConnection(configuration(url)) { connection in
      _ = try await connection.temporaryQueue()
    }
    try await silent.close()
  }

  @Test("Without a thread run() throws, and what waits ends in its time")
  func noThread() async throws {
    let loop = EventLoop(name: "none", startThread: { _ in EAGAIN })
    let connection = Connection(
      configuration: try await configuration(), topology: { _ in Topology() }, credentials: nil,
      logger: quietLogger(), loop: loop)
    let error = await #expect(throws: AMQPError.self) { try await connection.run() }
    #expect(error?.description.contains("no thread") == true)
    let verdict = await connection.publish(
      Publication(Message(), exchange: "", routingKey: ""), timeout: .milliseconds(100))
    guard case .notSent = verdict else {
      Issue.record("not .notSent: \(verdict)")
      return
    }
  }

  @Test("Too few channels are refused with words")
  func channels() async throws {
    for number in UInt16(1)...3 {
      let configuration = try await configuration { $0.channelMax = number }
      let connection = Connection(configuration: configuration, logger: quietLogger())
      let error = await #expect(throws: AMQPError.self) { try await connection.run() }
      #expect(error?.description.contains("channelMax is \(number)") == true)
    }
  }
}

@Suite("Bounds", .needsBroker, .timeLimit(.minutes(3)))
struct BoundTests {
  @Test("Beyond the bound of what may wait, publishers wait for room, and those in time get it")
  func publishing() async throws {
    let waiting = try await configuration { $0.maximumPendingBytes = 100_000 }
    let connection = Connection(configuration: waiting, logger: quietLogger())
    let publication = Publication(
      Message(body: Array(repeating: 0, count: 60_000)), exchange: "", routingKey: "nowhere")
    async let first = connection.publish(publication, timeout: .seconds(30))
    #expect(await IsolationTests.wait { connection.room.used > 60_000 })
    let second = await connection.publish(publication, timeout: .milliseconds(100))
    guard case .notSent(let why) = second else {
      Issue.record("not .notSent: \(second)")
      return
    }
    #expect(why.contains("maximumPendingBytes"))
    async let third = connection.publish(publication, timeout: .seconds(30))
    let run = Task { try await connection.run() }
    let verdicts = await [first, third]
    #expect(verdicts == [.confirmed, .confirmed])
    #expect(connection.room.used == 0)
    run.cancel()
    try await run.value
  }

  @Test(
    "A task that is cancelled waits neither for room nor for a connection, and takes no room",
    arguments: [false, true])
  func cancelling(isEarly: Bool) async throws {
    let connection = Connection(
      configuration: try await configuration { $0.maximumPendingBytes = 100_000 },
      logger: quietLogger())
    let publication = Publication(
      Message(body: Array(repeating: 0, count: 60_000)), exchange: "", routingKey: "nowhere")
    let tasks = (0..<2).map { _ in
      Task { await connection.publishUnlessCancelled([publication], timeout: .seconds(100_000)) }
    }
    // One has room, and waits to be sent; the other waits for room.
    if !isEarly {
      #expect(
        await IsolationTests.wait {
          connection.room.used > 60_000 && connection.room.waiting == 1
        })
    }
    for task in tasks.reversed() {
      task.cancel()
      #expect(await task.value == [.notSent("the task was cancelled before it was sent")])
    }
    #expect(connection.room.used == 0)
  }

  @Test("Batches whose time is up take no memory, however long the outage")
  func outage() async throws {
    let connection = Connection(
      configuration: try await configuration { $0.maximumPendingBytes = 1 << 20 },
      logger: quietLogger())
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<200 {
        group.addTask {
          let verdict = await connection.publish(
            Publication(
              Message(body: Array(repeating: 0, count: 100_000)), exchange: "", routingKey: "q"),
            timeout: .milliseconds(100))
          #expect("\(verdict)".hasPrefix("notSent"))
          #expect(connection.room.used <= 1 << 20)
        }
      }
    }
    #expect(connection.room.used == 0)
  }

  @Test(
    "What a consumer does not take stops the reading, and comes when it takes; heartbeats go on")
  func consuming() async throws {
    let small = try await configuration {
      $0.maximumBufferedBytes = 1 << 20
      $0.heartbeat = 1
    }
    try await withConnection { publisher in
      let queue = "test-bound-\(UInt64.random(in: 0 ... .max))"
      try await publisher.declare(Topology(queues: [.classic(queue, durable: false)]))
      let body = Array(repeating: UInt8(7), count: 20_000)
      let verdicts = await publisher.publish(
        Array(
          repeating: Publication(Message(body: body), exchange: "", routingKey: queue), count: 1_000
        ))
      #expect(verdicts.allSatisfy { $0 == .confirmed })
      try await withConnection(small) { connection in
        let consumer = try await connection.consume(
          Subscription(queue: queue, prefetch: 0, noAck: true))
        #expect(await IsolationTests.wait { connection.budget.isExceeded })
        // Longer than either side waits for a heartbeat; nothing can be waited for but time.
        try await Task.sleep(for: .seconds(4))
        #expect(connection.budget.used < 4 << 20, "of 20 MB")
        #expect(try await consumer.collect(1_000).count == 1_000)
        #expect(connection.budget.used == 0)
        #expect(await connection.generation == 1)
      }
      try await publisher.delete(queue: queue)
    }
  }

  @Test(
    "A socket that takes nothing holds up nothing but what must go through it",
    arguments: [false, true])
  func fullSocket(tls: Bool) async throws {
    let broker = try await ThrowawayBroker.shared()
    let port = Int(tls ? broker.tlsPort : broker.port)
    try await Valve.with(brokerPort: port) { valve, port in
      var url = "amqp://guest:guest@localhost:\(port)"
      if tls {
        let certificates = try #require(broker.certificates)
        url = "amqps://guest:guest@localhost:\(port)?cacertfile=\(certificates.authority)"
      }
      try await withConnection(configuration(url)) { connection in
        let queue = try await connection.temporaryQueue()
        let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 1_000))
        let small = Publication(Message(text: "x"), exchange: "", routingKey: queue)
        #expect(await connection.publish(small) == .confirmed)
        valve.shut()
        let large = Publication(
          Message(body: Array(repeating: 1, count: 6_000_000)), exchange: "", routingKey: queue)
        async let verdicts = connection.publish(
          Array(repeating: large, count: 8), timeout: .seconds(8))
        let start = ContinuousClock.now
        for _ in 0..<20 {
          // The connection's thread answers, whatever the socket does.
          #expect(await connection.statistics.connections == 1)
          try await Task.sleep(for: .milliseconds(50))
        }
        #expect(ContinuousClock.now - start < .seconds(6))
        let late = await verdicts
        #expect(late.contains { if case .unknown = $0 { true } else { false } })
        #expect(late.contains { if case .notSent = $0 { true } else { false } })
        #expect(connection.room.used == 0)
        valve.open()
        #expect(await connection.publish(small, timeout: .seconds(60)) == .confirmed)
        #expect(try await consumer.collect(2).isEmpty == false)
        #expect(await connection.generation == 1)
      }
    }
  }
}

@Suite("What else a client needs", .needsBroker, .timeLimit(.minutes(3)))
struct FurtherCallTests {
  @Test("Messages can be got one by one, and settled")
  func get() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      #expect(try await connection.get(queue: queue) == nil)
      let verdicts = await connection.publish(
        ["a", "b", "c"].map { Publication(Message(text: $0), exchange: "", routingKey: queue) })
      #expect(verdicts.allSatisfy { $0 == .confirmed })
      let first = try #require(try await connection.get(queue: queue))
      #expect(first.delivery.message == Message(text: "a") && first.remaining == 2)
      let second = try #require(try await connection.get(queue: queue, noAck: true))
      #expect(second.delivery.message == Message(text: "b"))
      let third = try #require(try await connection.get(queue: queue))
      await connection.nack(got: [first], requeue: true)
      await connection.ack(got: [third])
      let again = try #require(try await connection.get(queue: queue))
      #expect(again.delivery.message == Message(text: "a") && again.delivery.redelivered)
      await connection.ack(got: [again])
      let error = await #expect(throws: AMQPError.self) {
        try await connection.get(queue: "no-such-queue")
      }
      #expect(error?.replyCode == 404)
      #expect(try await connection.get(queue: queue) == nil)
    }
  }

  @Test("Queues named by the broker, exchanges that are or are not there")
  func declaring() async throws {
    try await withConnection { connection in
      let queue = try await connection.declareServerNamedQueue()
      #expect(queue.hasPrefix("amq.gen"))
      #expect(try await connection.inspect(queue: queue).messages == 0)
      try await connection.inspect(exchange: "amq.topic")
      let error = await #expect(throws: AMQPError.self) {
        try await connection.inspect(exchange: "no-such-exchange")
      }
      #expect(error?.replyCode == 404)
    }
  }

  @Test("How many deliveries may be unacknowledged can be changed")
  func prefetch() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      _ = await connection.publish(
        (0..<10).map { Publication(Message(text: "\($0)"), exchange: "", routingKey: queue) })
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 1))
      let first = try await consumer.collect(1)
      try await consumer.setPrefetch(5)
      await consumer.ack(first.map(\.tag))
      #expect(try await consumer.collect(5).count == 5)
      #expect(try await connection.inspect(queue: queue).messages == 4)
    }
  }

  @Test("Batches can be handed over one after the other, and their verdicts asked for later")
  func submitted() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      var batches: [SubmittedPublications] = []
      for number in 0..<50 {
        batches.append(
          await connection.submit([
            Publication(Message(text: "\(number)"), exchange: "", routingKey: queue)
          ]))
      }
      for batch in batches { #expect(await batch.verdicts == [.confirmed]) }
      #expect(await connection.statistics.confirmed == 50)
      #expect(await connection.submit([]).verdicts == [])
    }
  }

  @Test("Credentials come from whoever has them, and may be renewed while connected")
  func credentials() async throws {
    var configuration = try await configuration()
    configuration.password = "outdated"
    let connection = Connection(
      configuration: configuration,
      credentials: { Credentials(username: "guest", password: "guest") }, logger: quietLogger())
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await connection.run() }
      defer { group.cancelAll() }
      try await connection.waitUntilReady(timeout: .seconds(30))
      try await connection.updateSecret("guest")
      _ = try await connection.temporaryQueue()
    }
  }

  @Test("A URL may list several hosts")
  func hosts() throws {
    let configuration = try ConnectionConfiguration(url: "amqp://u:p@a:1,b,[::1]:3/v")
    #expect(
      configuration.hosts == [
        BrokerHost("a", port: 1), BrokerHost("b", port: 5672), BrokerHost("::1", port: 3),
      ])
    #expect(configuration.virtualHost == "v")
    #expect(throws: AMQPError.self) { try ConnectionConfiguration(url: "amqp://a,,b") }
    #expect(throws: AMQPError.self) { try ConnectionConfiguration(url: "amqp://a,b:x") }
  }
}

extension IsolationTests {
  /// Looks until `condition` holds, for at most ten seconds.
  static func wait(_ condition: @Sendable () -> Bool) async -> Bool {
    let end = ContinuousClock.now + .seconds(10)
    while ContinuousClock.now < end {
      if condition() { return true }
      await Task.yield()
    }
    return condition()
  }
}

extension Connection {
  /// Publishes messages without a body, whose encoded properties are these.
  fileprivate func publishRaw(_ properties: [[UInt8]], to queue: String) throws {
    let session = try #require(session)
    let channel = try session.open(.control)
    for properties in properties {
      var writer = ByteWriter(capacity: 65_536)
      let method = writer.beginFrame(.method, channel: channel.number)
      writer.append(UInt32(60 << 16 | 40))
      writer.append(UInt16(0))
      writer.append(UInt8(0))
      writer.append(UInt8(queue.utf8.count))
      Array(queue.utf8).withUnsafeBytes { writer.append($0) }
      writer.append(UInt8(0))
      writer.endFrame(method)
      let header = writer.beginFrame(.header, channel: channel.number)
      writer.append(UInt16(60))
      writer.append(UInt16(0))
      writer.append(UInt64(0))
      properties.withUnsafeBytes { writer.append($0) }
      writer.endFrame(header)
      let store = writer.store()
      session.send(store, 0..<store.count)
    }
  }
}
