import TestSupport
import Testing

@testable import AMQP

/// What happens to a subscription while something else happens to it.
@Suite("Subscriptions that change", .needsBroker, .timeLimit(.minutes(3)))
struct SubscriptionChangeTests {
  private static let consumeOk = LossyBroker.Method(channel: 1, classID: 60, methodID: 21)

  private static func queue(_ connection: Connection) async throws -> String {
    let queue = "test-change-\(UInt64.random(in: 0 ... .max))"
    try await connection.declare(Topology(queues: [.classic(queue, durable: false)]))
    return queue
  }

  @Test("Two changes of the prefetch at a time leave one subscription, and the last number")
  func prefetchTwice() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 1))
      for _ in 0..<10 {
        async let first: Void = consumer.setPrefetch(2)
        async let second: Void = consumer.setPrefetch(3)
        _ = try await (first, second)
        #expect(try await connection.inspect(queue: queue).consumers == 1)
      }
      try await consumer.setPrefetch(4)
      _ = await connection.publish(
        (0..<9).map { Publication(Message(text: "\($0)"), exchange: "", routingKey: queue) })
      #expect(try await consumer.collect(4).count == 4)
      #expect(try await connection.inspect(queue: queue).messages == 5)
    }
  }

  @Test("A consumer that is cancelled while its prefetch changes is cancelled")
  func prefetchAndCancel() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      for round in 0..<30 {
        _ = await connection.publish(Publication(Message(), exchange: "", routingKey: queue))
        let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 1))
        // Unacknowledged, it keeps the channel open.
        let deliveries = try await consumer.collect(1)
        let change = Task { try? await consumer.setPrefetch(2) }
        // Each time a little later, so that every step of the change is met.
        try await Task.sleep(for: .microseconds(40 * round))
        await consumer.cancel()
        await change.value
        #expect(try await connection.inspect(queue: queue).consumers == 0)
        await consumer.ack(deliveries.map(\.tag))
      }
    }
  }

  @Test("A subscription that the broker ends together with its answer is made anew once")
  func cancelledAtOnce() async throws {
    let cancel = LossyBroker.cancel(channel: 1)
    try await withConnection { other in
      let queue = try await Self.queue(other)
      try await LossyBroker.with(Self.consumeOk, .followed(by: cancel)) { url in
        try await withConnection(configuration(url)) { connection in
          let events = connection.events()
          await connection.addLost(Subscription(queue: queue, prefetch: 1))
          var attempts = 0
          for await case .resubscribing in events {
            attempts += 1
            if attempts == 2 { break }
          }
          let isBack = try await bounded(.seconds(10)) {
            while try await other.inspect(queue: queue).consumers == 0 {}
            return true
          }
          #expect(isBack == true)
          for _ in 0..<20 {
            // Time for what else was begun.
            _ = try await connection.inspect(queue: queue)
            #expect(try await other.inspect(queue: queue).consumers == 1)
          }
          #expect(await connection.generation == 1)
        }
      }
      try await other.delete(queue: queue)
    }
  }

  @Test("Replies that end while a request is confirmed harm nothing but that request")
  func repliesEnd() async throws {
    let cancel = LossyBroker.cancel(channel: 1)
    let ack = LossyBroker.Method(channel: 1, classID: 60, methodID: 80)
    try await withConnection { other in
      let queue = try await Self.queue(other)
      try await LossyBroker.with(ack, .preceded(by: cancel)) { url in
        let name = "replies-\(UInt64.random(in: 0 ... .max))"
        try await withConnection(configuration(url) { $0.connectionName = name }) { connection in
          let question = Publication(Message(), exchange: "", routingKey: queue)
          let error = await #expect(throws: AMQPError.self) {
            try await connection.request(question, timeout: .seconds(5))
          }
          #expect(error?.description.contains("replies are not delivered") == true)
          await #expect(throws: AMQPError.timeout("no reply within 0.5 seconds")) {
            try await connection.request(question, timeout: .milliseconds(500))
          }
          #expect(await connection.generation == 1)
          let open = try await connection.openChannels
          #expect(open == 2, "for requests and declarations; where replies ended it is closed")
        }
      }
      try await other.delete(queue: queue)
    }
  }

  @Test("A consumer for which no channel is free does not keep the connection from ending")
  func stopping() async throws {
    let closeOk = LossyBroker.Method(channel: 0, classID: 10, methodID: 51)
    try await LossyBroker.with(losing: closeOk) { url in
      let small = try await configuration(url) {
        $0.rpcTimeout = .seconds(3)
        $0.channelMax = 4
      }
      let connection = Connection(configuration: small, logger: quietLogger())
      let events = connection.events()
      let run = Task { try await connection.run() }
      try await connection.waitUntilReady(timeout: .seconds(30))
      let queue = try await connection.temporaryQueue()
      var consumers: [Consumer] = []
      for _ in 0..<3 {
        consumers.append(try await connection.consume(Subscription(queue: queue, prefetch: 1)))
      }
      await connection.addLost(Subscription(queue: queue, prefetch: 1))
      var attempts = 0
      for await event in events {
        guard case .resubscribing = event else { continue }
        attempts += 1
        if attempts == 2 { run.cancel() }
      }
      #expect(attempts <= 3)
      try await run.value
    }
  }

  @Test("What is published while the connection ends is not sent")
  func publishedWhileClosing() async throws {
    let closeOk = LossyBroker.Method(channel: 0, classID: 10, methodID: 51)
    try await LossyBroker.with(losing: closeOk) { url in
      let slow = try await configuration(url) { $0.rpcTimeout = .seconds(2) }
      let connection = Connection(configuration: slow, logger: quietLogger())
      let run = Task { try await connection.run() }
      let publication = Publication(Message(), exchange: "", routingKey: "nowhere")
      #expect(await connection.publish(publication) == .confirmed)
      run.cancel()
      let isClosing = await bounded(.seconds(10)) {
        while await connection.life.phase != .closing { await Task.yield() }
        return true
      }
      #expect(isClosing == true)
      let verdict = await connection.publish(publication)
      guard case .notSent = verdict else {
        Issue.record("not .notSent: \(verdict)")
        return
      }
      try await run.value
    }
  }

  @Test("A port where nobody listens is told from a host that is silent")
  func refused() async throws {
    let port = try FreePorts.find(1)[0]
    for (host, isRefused) in [("127.0.0.1", true), ("no-such-host.invalid", false)] {
      var configuration = try await configuration("amqp://\(host):\(port)")
      // It is not to be on its second attempt already when it is looked at.
      configuration.reconnect = ReconnectPolicy(
        initialDelay: .seconds(60), maximumDelay: .seconds(60))
      let connection = Connection(configuration: configuration, logger: quietLogger())
      let events = connection.events()
      let run = Task { try await connection.run() }
      _ = await bounded(.seconds(30)) { await events.first { _ in true } }
      #expect(await connection.dialCount.isRefused == isRefused)
      run.cancel()
      try await run.value
    }
  }
}

extension Connection {
  /// Has a consumer as if its subscription had been lost to another one.
  fileprivate func addLost(_ subscription: Subscription) {
    let record = ConsumerRecord(id: nextNumber(), subscription: subscription)
    consumers.add(record)
    notices.post(
      .repair(consumer: record.id, .channelClosed(code: ReplyCode.accessRefused, text: "in use")))
  }

  /// How many channels are open, once the broker has agreed to close those that are being closed.
  fileprivate var openChannels: Int {
    get async throws {
      // Behind what was asked before.
      _ = try? await inspect(exchange: "amq.direct")
      return session?.channelCount ?? 0
    }
  }
}
