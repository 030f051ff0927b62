import AMQP
import InMemoryLogging
import Logging
import TestSupport
import Testing

@Suite("Declaring", .needsBroker, .timeLimit(.minutes(3)))
struct DeclaringTests {
  private static func name(_ kind: String) -> String {
    "test-\(kind)-\(UInt64.random(in: 0 ... .max))"
  }

  @Test("Exchanges, queues and bindings route as declared, until they are removed")
  func topology() async throws {
    try await withConnection { connection in
      let (source, sink) = (Self.name("topic"), Self.name("fanout"))
      let (first, second) = (Self.name("q"), Self.name("q"))
      try await connection.declare(
        Topology(
          exchanges: [
            ExchangeDeclaration(source, kind: .topic, durable: false),
            ExchangeDeclaration(sink, kind: .fanout, durable: false, internal: true),
          ],
          queues: [
            .classic(first, durable: false, exclusive: true),
            .classic(second, durable: false, exclusive: true),
          ],
          bindings: [
            Binding(queue: first, source: source, routingKey: "a.*"),
            Binding(source: source, destination: .exchange(sink), routingKey: "#"),
            Binding(queue: second, source: sink),
          ]))
      let publications = ["a.b", "a.b.c", "x"].map {
        Publication(Message(text: $0), exchange: source, routingKey: $0, mandatory: true)
      }
      #expect(await connection.publish(publications) == [.confirmed, .confirmed, .confirmed])
      #expect(try await connection.inspect(queue: first).messages == 1)
      let info = try await connection.inspect(queue: second)
      #expect(info == QueueInfo(name: second, messages: 3, consumers: 0))
      #expect(try await connection.purge(queue: second) == 3)

      try await connection.unbind(
        Binding(source: source, destination: .exchange(sink), routingKey: "#"))
      try await connection.unbind(Binding(queue: first, source: source, routingKey: "a.*"))
      let verdict = await connection.publish(publications[0])
      #expect(verdict == .returned(replyCode: 312, text: "NO_ROUTE"))
      try await connection.bind(Binding(queue: second, source: source, routingKey: "a.b"))
      #expect(await connection.publish(publications[0]) == .confirmed)
      #expect(try await connection.delete(queue: second) == 1)
      try await connection.delete(exchange: source)
      try await connection.delete(exchange: sink)
    }
  }

  @Test("What the broker refuses is thrown with its code and reason, and the connection goes on")
  func refused() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      let other = await #expect(throws: AMQPError.self) {
        try await connection.declare(Topology(queues: [.classic(queue, durable: true)]))
      }
      #expect(other?.replyCode == 406 || other?.replyCode == 405)
      let missing = await #expect(throws: AMQPError.self) {
        try await connection.inspect(queue: "no-such-queue")
      }
      #expect(missing?.replyCode == 404)
      #expect(missing?.description.contains("no queue 'no-such-queue'") == true)
      let binding = await #expect(throws: AMQPError.self) {
        try await connection.bind(Binding(queue: queue, source: "no-such-exchange"))
      }
      #expect(binding?.replyCode == 404)
      _ = await connection.publish(Publication(Message(), exchange: "", routingKey: queue))
      let filled = await #expect(throws: AMQPError.self) {
        try await connection.delete(queue: queue, ifEmpty: true)
      }
      #expect(filled?.replyCode == 406)
      #expect(try await connection.inspect(queue: queue).messages == 1)
    }
  }

  @Test("Who may not declare takes what is there, and is refused what is not")
  func withoutPermission() async throws {
    try await ThrowawayBroker.with { broker in
      try await broker.control("add_user", "reader", "secret")
      try await broker.control("set_permissions", "-p", "/", "reader", "^$", "^$", "^$")
      let exchange = ExchangeDeclaration("there", kind: .topic)
      let there = Topology(
        exchanges: [exchange], queues: [.quorum("there")],
        bindings: [Binding(queue: "there", source: "there", routingKey: "#")])
      try await withConnection(configuration(broker.url)) { try await $0.declare(there) }
      let url = "amqp://reader:secret@127.0.0.1:\(broker.port)/"
      let lines = InMemoryLogHandler()
      let logger = Logger(label: "test") { _ in lines }
      try await withConnection(configuration(url), logger: logger) { connection in
        try await connection.declare(there)
        // That the binding is there is only taken for granted, and said.
        let told = lines.entries.filter { $0.level >= .notice }
          .map { "\($0.message) \($0.metadata["what"].map { "\($0)" } ?? "")" }
        #expect(told.count { $0.contains("Not bound") } == 1, "\(told)")
        try await connection.declare(there.takenAsFound())
        for missing in [
          Topology(queues: [.quorum("missing")]),
          Topology(exchanges: [ExchangeDeclaration("missing", kind: .topic)]),
          Topology(bindings: [Binding(queue: "missing", source: "there")]),
          Topology(queues: [.classic("own", durable: false, exclusive: true)]),
        ] {
          let error = await #expect(throws: AMQPError.self) {
            try await connection.declare(missing)
          }
          #expect(error?.replyCode == 403, "\(missing)")
        }
        // The connection and its channel go on.
        #expect(try await connection.inspect(queue: "there").messages == 0)
      }
    }
  }

  @Test("What is taken as found is declared where there is none, and left as it is elsewhere")
  func asFound() async throws {
    try await withConnection { connection in
      let name = Self.name("found")
      let wanted = Topology(
        exchanges: [ExchangeDeclaration(name, kind: .fanout, durable: false)],
        queues: [.classic(name, arguments: ["x-expires": 60_000])],
        bindings: [Binding(queue: name, source: name)])
      try await connection.declare(wanted.takenAsFound())
      let publication = Publication(Message(), exchange: name, routingKey: "", mandatory: true)
      let first = await connection.publish(publication)
      #expect(first == .confirmed, "all of it was made")

      let other = Topology(
        exchanges: wanted.exchanges, queues: [.classic(name)], bindings: wanted.bindings)
      let error = await #expect(throws: AMQPError.self) {
        try await connection.declare(other)
      }
      #expect(error?.replyCode == 406)
      try await connection.declare(other.takenAsFound())

      // Whoever has made both has unbound them: that is not for whoever takes what is there.
      try await connection.unbind(wanted.bindings[0])
      try await connection.declare(wanted.takenAsFound())
      let unbound = await connection.publish(publication)
      #expect(unbound == .returned(replyCode: 312, text: "NO_ROUTE"))
      // With one end missing it is made.
      try await connection.delete(exchange: name)
      try await connection.declare(wanted.takenAsFound())
      let last = await connection.publish(publication)
      #expect(last == .confirmed)
      try await connection.delete(queue: name)
      try await connection.delete(exchange: name)
    }
  }

  @Test("Many questions at once get their own answers, the wrong ones among them their own errors")
  func concurrent() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<60 {
          group.addTask {
            if number % 3 == 0 {
              let error = await #expect(throws: AMQPError.self) {
                try await connection.inspect(queue: "missing-\(number)")
              }
              #expect(error?.description.contains("missing-\(number)'") == true)
            } else {
              let info = try await connection.inspect(queue: queue)
              #expect(info.name == queue)
            }
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test("What makes the broker close the connection is thrown, not repeated; then all goes on")
  func connectionError() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      let events = connection.events()
      let error = await #expect(throws: AMQPError.self) {
        try await connection.declare(
          Topology(exchanges: [ExchangeDeclaration("test-odd", kind: .other("no-such-kind"))]))
      }
      guard case .connectionClosed(503, let text)? = error else {
        Issue.record("not the broker's reason: \(String(describing: error))")
        return
      }
      #expect(text.contains("no-such-kind"))
      let verdict = await connection.publish(
        Publication(Message(), exchange: "", routingKey: queue, mandatory: true))
      #expect(verdict == .confirmed, "connected again, the queue declared again")
      let seen = await bounded(.seconds(10)) {
        await events.prefix(2).reduce(into: []) { $0.append($1) }
      }
      #expect(seen?.first == .disconnected(.connectionClosed(code: 503, text: text)))
      #expect(seen?.last == .connected(generation: 2))
    }
  }

  @Test("An exclusive queue of another connection is refused as locked")
  func locked() async throws {
    try await withConnection { connection in
      let queue = try await connection.temporaryQueue()
      try await withConnection { other in
        let error = await #expect(throws: AMQPError.self) {
          try await other.consume(Subscription(queue: queue, prefetch: 1))
        }
        #expect(error?.replyCode == 405)
      }
    }
  }

  @Test("A quorum queue is one")
  func quorum() async throws {
    try await withConnection { connection in
      let queue = Self.name("quorum")
      try await connection.declare(Topology(queues: [.quorum(queue)]))
      let verdict = await connection.publish(
        Publication(Message(text: "x"), exchange: "", routingKey: queue, mandatory: true))
      #expect(verdict == .confirmed)
      let error = await #expect(throws: AMQPError.self) {
        try await withConnection { try await $0.declare(Topology(queues: [.classic(queue)])) }
      }
      #expect(error?.description.contains("quorum") == true)
      #expect(try await connection.delete(queue: queue) == 1)
    }
  }
}
