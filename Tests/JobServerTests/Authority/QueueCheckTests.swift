import AMQP
import Foundation
import InMemoryLogging
import JobTransport
import Jobs
import Logging
import TestSupport
import Testing

/// Queues that an older Warren has left on the broker in another form.
@Suite("A queue with other arguments", .needsBroker, .timeLimit(.minutes(2)))
struct QueueCheckTests {
  private let names: TransportNames
  private let broker: ConnectionConfiguration
  private let lines: InMemoryLogHandler
  private let quiet = Logger(label: "quiet") { _ in SwiftLogNoOpLogHandler() }

  init() async throws {
    names = try TransportNames(prefix: "t-\(UUID().uuidString.prefix(8).lowercased())")
    broker = try ConnectionConfiguration(url: try await ThrowawayBroker.shared().url)
    lines = InMemoryLogHandler()
  }

  /// Declares queues as an older Warren did, and lays a message into some; then has the server's connection come, with the check.
  private func check(
    _ old: [QueueDeclaration], filled: Set<String> = [],
    _ body: @escaping @Sendable (Connection) async throws -> Void
  ) async throws {
    let (names, lines) = (names, lines)
    try await connected(
      Connection(configuration: broker, topology: Topology(queues: old), logger: quiet)
    ) {
      older in
      for queue in filled {
        let verdict = await older.publish(
          Publication(Message(body: Array("{}".utf8)), exchange: "", routingKey: queue))
        #expect(verdict == .confirmed)
      }
    }
    let logger = Logger(label: "test") { [lines] _ in lines }
    let connection = Connection(
      configuration: broker,
      topology: { JobTopology.server(names, queues: [.compute], broker: $0.version) },
      logger: quiet)
    let check = QueueCheck(
      connection: connection, names: names, virtualHost: "/", logger: logger,
      queues: { [.compute] })
    try await connected(connection, beside: { try await check.run() }, body)
  }

  private func connected(
    _ connection: Connection, beside: @escaping @Sendable () async throws -> Void = {},
    _ body: @escaping @Sendable (Connection) async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup { group in
      group.addTask { try await connection.run() }
      group.addTask { try await beside() }
      try await connection.waitUntilReady(timeout: .seconds(30))
      try await body(connection)
      group.cancelAll()
    }
  }

  /// Asks again until it is so; the check says nothing when it has done.
  private func until(_ condition: () async -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(30)
    while await !condition() {
      try #require(ContinuousClock.now < deadline)
      try await Task.sleep(for: .milliseconds(50))
    }
  }

  /// Whether the broker takes the queue for what it should be.
  private func isRight(_ queue: String, on connection: Connection) async -> Bool {
    let server = JobTopology.server(
      names, queues: [.compute], broker: await connection.brokerVersion)
    do {
      try await connection.declare(Topology(queues: server.queues.filter { $0.name == queue }))
      return true
    } catch {
      return false
    }
  }

  private func plain(_ name: String) -> QueueDeclaration {
    .quorum(name)
  }

  @Test("of tickets is made anew when it is empty, and leads where it should")
  func migrated() async throws {
    let queue = names.queue(.compute)
    try await check([plain(queue)]) { connection in
      try await until { await isRight(queue, on: connection) }
      try await until { lines.entries.contains { $0.metadata["queue"] == "\(queue)" } }
      let line = try #require(lines.entries.first { $0.metadata["queue"] == "\(queue)" })
      #expect(line.level == .notice)
      let verdict = await connection.publish(
        Publication(
          Message(body: []), exchange: names.work, routingKey: JobQueueName.compute.rawValue,
          mandatory: true))
      #expect(verdict == .confirmed)
    }
  }

  @Test(
    "is used as it is when it holds something, and the log says what to do",
    arguments: [true, false])
  func named(_ isIntake: Bool) async throws {
    let queue = isIntake ? names.submit : names.queue(.compute)
    try await check([plain(queue)], filled: [queue]) { connection in
      try await until { lines.entries.contains { $0.metadata["queue"] == "\(queue)" } }
      let line = try #require(lines.entries.first { $0.metadata["queue"] == "\(queue)" })
      #expect(line.level == .error)
      #expect(line.metadata["command"]?.description.contains("rabbitmqctl set_policy") == true)
      #expect(line.metadata["command"]?.description.contains("dead-letter-exchange") == true)
      #expect(await !isRight(queue, on: connection))
      // What is in it stays, and what leads to it is there.
      #expect(try await connection.inspect(queue: queue).messages == 1)
      let verdict = await connection.publish(
        Publication(
          Message(body: []), exchange: isIntake ? names.submit : names.work,
          routingKey: isIntake ? "" : JobQueueName.compute.rawValue, mandatory: true))
      #expect(verdict == .confirmed)
      try await until { (try? await connection.inspect(queue: queue).messages) == 2 }
    }
  }

  @Test("that no policy can mend is to be run empty and deleted")
  func anotherType() async throws {
    let queue = names.claims
    try await check([.quorum(queue)]) { _ in
      try await until { lines.entries.contains { $0.metadata["queue"] == "\(queue)" } }
      let line = try #require(lines.entries.first { $0.metadata["queue"] == "\(queue)" })
      #expect(line.level == .error)
      #expect(line.metadata["command"]?.description.contains("rabbitmqctl delete_queue") == true)
    }
  }
}
