import AMQP
import Foundation
import TestSupport
import Testing

/// On a node of their own, one after the other: they stop it, block it, make it deaf.
@Suite("Recovery", .needsBroker, .serialized, .timeLimit(.minutes(5)))
struct RecoveryTests {
  private static let node = Task { try await ThrowawayBroker.start() }

  private static func quick(_ configuration: inout ConnectionConfiguration) {
    configuration.reconnect = ReconnectPolicy(
      initialDelay: .milliseconds(50), maximumDelay: .milliseconds(500))
  }

  /// The first event that `matches`, within a minute.
  private static func event(
    _ events: AsyncStream<ConnectionEvent>, _ matches: @escaping @Sendable (ConnectionEvent) -> Bool
  ) async -> ConnectionEvent? {
    let event = await bounded(.seconds(60)) { await events.first(where: matches) }
    return event ?? nil
  }

  private static func isConnected(_ event: ConnectionEvent) -> Bool {
    if case .connected = event { true } else { false }
  }

  @Test("A connection that an operator closes comes back, with queues, bindings and consumers")
  func closedByOperator() async throws {
    let node = try await Self.node.value
    try await withConnection(configuration(node.url, change: Self.quick)) { connection in
      let (exchange, queue) = ("recovery-exchange", "recovery-exclusive")
      try await connection.declare(
        Topology(
          exchanges: [
            ExchangeDeclaration(exchange, kind: .direct, durable: false, autoDelete: true)
          ],
          queues: [.classic(queue, durable: false, exclusive: true)],
          bindings: [Binding(queue: queue, source: exchange, routingKey: "k")]))
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 2))
      let publication = Publication(
        Message(text: "before"), exchange: exchange, routingKey: "k", mandatory: true)
      #expect(await connection.publish(publication) == .confirmed)
      let before = try #require(try await consumer.collect(1).first)

      let events = connection.events()
      try await node.control("close_all_connections", "maintenance")
      let lost = await Self.event(events) { if case .disconnected = $0 { true } else { false } }
      guard case .disconnected(let error)? = lost else {
        Issue.record("not told")
        return
      }
      #expect(error.replyCode == 320)
      #expect(error.description.contains("maintenance"))
      try await connection.waitUntilReady(timeout: .seconds(30))

      // The tag belongs to the channel that is gone: sent, it would close the new one.
      await consumer.ack([before.tag])
      var after = publication
      after.message.body = Array("after".utf8)
      #expect(await connection.publish(after) == .confirmed)
      let delivery = try #require(try await consumer.collect(1).first)
      #expect(delivery.message.body == Array("after".utf8))
      #expect(delivery.tag.generation > before.tag.generation)
      await consumer.ack([delivery.tag])
      #expect(try await connection.inspect(queue: queue).consumers == 1)
    }
  }

  @Test("A broker that stops and starts again: what was durable is there, everything goes on")
  func stopAndStart() async throws {
    let node = try await Self.node.value
    let queue = "recovery-durable"
    try await withConnection(configuration(node.url, change: Self.quick)) { connection in
      try await connection.declare(Topology(queues: [.classic(queue)]))
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 10))
      let persistent = MessageProperties(deliveryMode: .persistent)
      let first = Publication(
        Message(text: "first", properties: persistent), exchange: "", routingKey: queue)
      #expect(await connection.publish(first) == .confirmed)
      #expect(try await consumer.collect(1).count == 1, "delivered, not acknowledged")

      let events = connection.events()
      try await node.stop()
      let lost = await Self.event(events) { if case .disconnected = $0 { true } else { false } }
      #expect(lost != nil)
      let waiting = Task {
        await connection.publish(
          Publication(
            Message(text: "second", properties: persistent), exchange: "", routingKey: queue),
          timeout: .seconds(90))
      }
      try await node.start()
      #expect(await waiting.value == .confirmed, "published as soon as it can be")
      let deliveries = try await consumer.collect(2)
      #expect(
        deliveries.map { String(decoding: $0.message.body, as: UTF8.self) } == ["first", "second"])
      #expect(deliveries.map(\.redelivered) == [true, false])
      await consumer.ack(deliveries.map(\.tag))
      await consumer.cancel()
      #expect(try await connection.delete(queue: queue) == 0)
    }
  }

  @Test("A broker that is killed while it is being published to: each publication has one verdict")
  func killed() async throws {
    let node = try await Self.node.value
    let queue = "recovery-killed"
    try await withConnection(configuration(node.url, change: Self.quick)) { connection in
      try await connection.declare(Topology(queues: [.classic(queue)]))
      // A kill within a second or so of the declaration may take the queue with it, and what was confirmed into it.
      _ = try await node.control("eval", "mnesia:sync_log().")
      let persistent = MessageProperties(deliveryMode: .persistent)
      let flood = Task {
        var verdicts: [PublishVerdict] = []
        var number = 0
        while !Task.isCancelled, verdicts.last.map({ $0 == .confirmed }) ?? true {
          let batch = (0..<100).map { _ in
            number += 1
            return Publication(
              Message(text: "\(number)", properties: persistent), exchange: "", routingKey: queue)
          }
          verdicts += await connection.publish(batch, timeout: .seconds(2))
        }
        return verdicts
      }
      let started = try await bounded(.seconds(30)) {
        while try await connection.inspect(queue: queue).messages < 300 {}
        return true
      }
      #expect(started == true)
      try await node.kill()
      let verdicts = await flood.value
      let confirmed = verdicts.count { $0 == .confirmed }
      #expect(verdicts.count % 100 == 0 && confirmed < verdicts.count)
      try await node.start()
      try await connection.waitUntilReady(timeout: .seconds(60))
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 1_000))
      var missing = Set(verdicts.indices.filter { verdicts[$0] == .confirmed }.map { "\($0 + 1)" })
      while !missing.isEmpty, let deliveries = try await consumer.first() {
        missing.subtract(deliveries.map { String(decoding: $0.message.body, as: UTF8.self) })
      }
      #expect(missing.isEmpty, "what was confirmed has survived")
      try await connection.delete(queue: queue)
    }
  }

  @Test("A broker that falls silent is noticed by its missing heartbeats, and returned to")
  func silent() async throws {
    let node = try await Self.node.value
    try await withConnection(
      configuration(node.url) {
        Self.quick(&$0)
        $0.heartbeat = 1
        $0.connectTimeout = .seconds(1)
      }
    ) { connection in
      // Once this is confirmed, the next one will be sent at once.
      let publication = Publication(Message(), exchange: "", routingKey: "nowhere")
      #expect(await connection.publish(publication) == .confirmed)
      let events = connection.events()
      let start = ContinuousClock.now
      try await node.freeze()
      let publishing = Task { await connection.publish(publication, timeout: .seconds(60)) }
      let lost = await Self.event(events) { if case .disconnected = $0 { true } else { false } }
      let silence = ContinuousClock.now - start
      try node.thaw()
      guard case .disconnected(let error)? = lost else {
        Issue.record("not told")
        return
      }
      #expect(error.description.contains("heartbeat"))
      #expect(silence < .seconds(15))
      guard case .unknown = await publishing.value else {
        Issue.record("sent into silence, and not unknown")
        return
      }
      try await connection.waitUntilReady(timeout: .seconds(30))
    }
  }

  @Test("A connection that is idle for long stays up by its heartbeats")
  func idle() async throws {
    let node = try await Self.node.value
    let name = "idle-\(UInt64.random(in: 0 ... .max))"
    try await withConnection(
      configuration(node.url) {
        $0.heartbeat = 2
        $0.connectionName = name
      }
    ) { connection in
      // The broker has agreed, so it does not wait for ever.
      let list = try await node.control("list_connections", "client_properties", "timeout")
      let line = try #require(list.split(separator: "\n").first { $0.contains(name) })
      #expect(line.hasSuffix("\t2"))
      let events = connection.events()
      let generation = await connection.generation
      // More than twice as long as either side waits for a sign of life; nothing can be waited for but time.
      let event = await bounded(.seconds(10)) { await events.first { _ in true } }
      #expect(event == nil, "still connected, nothing happened")
      #expect(await connection.generation == generation)
      let verdict = await connection.publish(
        Publication(Message(), exchange: "", routingKey: "nowhere"))
      #expect(verdict == .confirmed)
    }
  }

  @Test("A broker short of memory blocks publishing; publications wait, and go when it is over")
  func blocked() async throws {
    let node = try await Self.node.value
    try await withConnection(configuration(node.url, change: Self.quick)) { connection in
      let queue = try await connection.temporaryQueue()
      let events = connection.events()
      try await node.control("set_vm_memory_high_watermark", "0.000001")
      let publication = Publication(Message(text: "x"), exchange: "", routingKey: queue)
      // The broker says so on the first publication, and leaves it unconfirmed.
      let first = Task { await connection.publish(publication, timeout: .seconds(60)) }
      let blocked = await Self.event(events) { if case .blocked = $0 { true } else { false } }
      #expect(blocked == .blocked(reason: "low on memory"))
      guard
        case .notSent(let why) = await connection.publish(publication, timeout: .milliseconds(200))
      else {
        Issue.record("published although blocked")
        return
      }
      #expect(why.contains("low on memory"))
      let waiting = Task { await connection.publish(publication, timeout: .seconds(60)) }
      try await node.control("set_vm_memory_high_watermark", "0.4")
      #expect(await Self.event(events) { $0 == .unblocked } == .unblocked)
      #expect(await first.value == .confirmed)
      #expect(await waiting.value == .confirmed)
      #expect(
        try await connection.inspect(queue: queue).messages == 2, "the one in between never left")
    }
  }

  @Test("An exclusive queue still held by a half-dead predecessor is declared once it is free")
  func predecessor() async throws {
    let node = try await Self.node.value
    // Slow to come back, so that someone else can take the name first.
    let slow = try await configuration(node.url) {
      $0.reconnect = ReconnectPolicy(initialDelay: .seconds(4), maximumDelay: .seconds(4))
    }
    try await withConnection(slow) { connection in
      let queue = "recovery-contended"
      let contended = Topology(queues: [.classic(queue, durable: false, exclusive: true)])
      try await connection.declare(contended)
      let events = connection.events()
      let pid = try await Self.connectionProcess(node, name: "test")
      try await withConnection(configuration(node.url) { $0.connectionName = "usurper" }) { other in
        async let closed = node.control("close_connection", pid, "make room")
        _ = await Self.event(events) { if case .disconnected = $0 { true } else { false } }
        // The broker may be about to free the name still.
        let taken = try await bounded(.seconds(30)) {
          while true {
            do throws(AMQPError) {
              try await other.declare(contended)
              return true
            } catch {
              #expect(error.replyCode == 405)
            }
            try await Task.sleep(for: .milliseconds(20))
          }
        }
        #expect(taken == true)
        _ = try await closed
        let refused = await Self.event(events) {
          if case .declarationRefused(_, let error) = $0 { error.replyCode == 405 } else { false }
        }
        #expect(refused != nil)
        try await connection.waitUntilReady(timeout: .seconds(30))
      }
      let isBack = try await bounded(.seconds(60)) {
        while true {
          if (try? await connection.inspect(queue: queue)) != nil { return true }
          try await Task.sleep(for: .milliseconds(50))
        }
      }
      #expect(isBack == true)
      #expect(try await connection.inspect(queue: queue).name == queue)
    }
  }

  @Test("A message larger than the broker takes fails alone; those behind it get through")
  func oversized() async throws {
    let node = try await Self.node.value
    // As RabbitMQ 4 has it by default, but smaller. Channels ask for it when they are opened.
    _ = try await node.control("eval", "application:set_env(rabbit, max_message_size, 1000000).")
    try await withConnection(configuration(node.url, change: Self.quick)) { connection in
      let queue = try await connection.temporaryQueue()
      let sizes = [10, 10, 1_000_001, 10, 10, 10]
      let verdicts = await connection.publish(
        sizes.map {
          Publication(
            Message(body: Array(repeating: 0, count: $0)), exchange: "", routingKey: queue)
        })
      guard case .notSent(let why) = verdicts[2] else {
        Issue.record("not .notSent: \(verdicts[2])")
        return
      }
      #expect(why.contains("message size 1000001"))
      #expect(verdicts[3...].allSatisfy { $0 == .confirmed })
      #expect(await connection.generation == 1)
    }
    _ = try await node.control("eval", "application:set_env(rabbit, max_message_size, 134217728).")
  }

  /// The broker's process of the connection with that name.
  private static func connectionProcess(_ node: ThrowawayBroker, name: String) async throws
    -> String
  {
    let list = try await node.control("list_connections", "pid", "client_properties")
    let line = list.split(separator: "\n").first { $0.contains("\"\(name)\"") }
    return String(try #require(line?.split(separator: "\t").first))
  }
}
