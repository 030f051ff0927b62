import Foundation
import TestSupport
import Testing

@testable import AMQP

/// Serialized, and with names of its own, because it counts what the whole process has.
@Suite("What is left of a connection: nothing", .needsBroker, .serialized, .timeLimit(.minutes(3)))
struct LifetimeTests {
  /// The names of the process's threads that begin with `prefix`.
  private static func threads(_ prefix: String) -> Int {
    let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
    return tasks.count { task in
      let name = try? String(contentsOfFile: "/proc/self/task/\(task)/comm", encoding: .utf8)
      return name?.hasPrefix(prefix) == true
    }
  }

  /// Waits for `condition`, which no event tells of, for at most ten seconds.
  private static func eventually(_ condition: () -> Bool) async -> Bool {
    let end = ContinuousClock.now + .seconds(10)
    while ContinuousClock.now < end {
      if condition() { return true }
      await Task.yield()
    }
    return condition()
  }

  @Test("A stopped connection leaves no thread, no descriptor, no object")
  func stopped() async throws {
    let broker = try await ThrowawayBroker.shared()
    let prefix = "life-\(UInt16.random(in: 0 ... .max))"
    weak var remembered: Connection?
    var descriptors: [Descriptor] = []
    do {
      var configuration = try ConnectionConfiguration(url: broker.url)
      configuration.connectionName = prefix
      let connection = Connection(configuration: configuration, logger: quietLogger())
      remembered = connection
      let run = Task { try await connection.run() }
      try await connection.waitUntilReady(timeout: .seconds(30))
      let queue = try await connection.temporaryQueue()
      let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 1))
      _ = await connection.publish(Publication(Message(), exchange: "", routingKey: queue))
      _ = try await consumer.collect(1)
      #expect(Self.threads(prefix) == 1)
      descriptors = await connection.descriptors.compactMap(Descriptor.init)
      #expect(descriptors.count == 2 && descriptors.allSatisfy(\.isOpen))
      let events = connection.events()
      run.cancel()
      try await run.value
      #expect(try await consumer.first() == nil, "the consumer has ended")
      for await _ in events {}
    }
    #expect(await Self.eventually { Self.threads(prefix) == 0 })
    #expect(await Self.eventually { remembered == nil })
    #expect(await Self.eventually { descriptors.allSatisfy { !$0.isOpen } })
    let list = try await broker.control("list_connections", "client_properties")
    #expect(!list.contains(prefix))
  }

  @Test("Many connections after each other do not add up")
  func many() async throws {
    let broker = try await ThrowawayBroker.shared()
    let prefix = "many-\(UInt16.random(in: 0 ... .max))"
    for _ in 0..<20 {
      try await withConnection(configuration(broker.url) { $0.connectionName = prefix }) {
        connection in
        _ = try await connection.temporaryQueue()
      }
    }
    #expect(await Self.eventually { Self.threads(prefix) == 0 })
  }

  @Test("A connection that never ran, and one that could not connect, leave nothing either")
  func unused() async throws {
    let prefix = "idle-\(UInt16.random(in: 0 ... .max))"
    weak var remembered: Connection?
    do {
      var configuration = try ConnectionConfiguration(url: "amqp://127.0.0.1:1")
      configuration.connectionName = prefix
      configuration.reconnect.initialAttempts = 2
      let connection = Connection(configuration: configuration, logger: quietLogger())
      remembered = connection
      await #expect(throws: AMQPError.self) { try await connection.run() }
      await #expect(throws: AMQPError.self) { try await connection.declare(Topology()) }
    }
    #expect(await Self.eventually { remembered == nil && Self.threads(prefix) == 0 })
  }

  @Test("On closing, acknowledgements that were given are sent")
  func acknowledgedAtTheEnd() async throws {
    try await withConnection { observer in
      let queue = "test-end-\(UInt64.random(in: 0 ... .max))"
      try await observer.declare(Topology(queues: [.classic(queue, durable: false)]))
      let verdicts = await observer.publish(
        (0..<100).map { _ in Publication(Message(), exchange: "", routingKey: queue) })
      #expect(verdicts.allSatisfy { $0 == .confirmed })
      try await withConnection { connection in
        let consumer = try await connection.consume(Subscription(queue: queue, prefetch: 100))
        await consumer.ack(try await consumer.collect(100).map(\.tag))
      }
      #expect(try await observer.delete(queue: queue) == 0)
    }
  }
}

/// An open file of this process, known by what it is, since its number is given to another one once
/// it is closed.
private struct Descriptor {
  private let identity: String

  init?(_ number: Int32) {
    guard let identity = Self.identity(String(number)) else { return nil }
    self.identity = identity
  }

  var isOpen: Bool {
    let numbers = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    return numbers.contains { Self.identity($0) == identity }
  }

  /// The inode of a socket, the id of an eventfd.
  private static func identity(_ number: String) -> String? {
    let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(number)")
    guard let link, link.contains("eventfd") else { return link }
    let info = try? String(contentsOfFile: "/proc/self/fdinfo/\(number)", encoding: .utf8)
    return info?.split(separator: "\n").first { $0.hasPrefix("eventfd-id") }.map(String.init)
  }
}

extension Connection {
  /// The socket and the wake-up descriptor.
  fileprivate var descriptors: [Int32] { [session?.descriptor ?? -1, loop.wakeUpDescriptor] }
}
