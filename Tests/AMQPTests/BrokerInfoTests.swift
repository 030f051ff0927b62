import Synchronization
import TestSupport
import Testing

@testable import AMQP

@Suite("What a broker says of itself")
struct BrokerInfoTests {
  @Test(
    "Versions are read and compared by their numbers",
    arguments: [
      ("3.10.8", BrokerInfo.Version(3, 10, 8)), ("4.0", .init(4, 0)),
      ("4.1.0-rc.1+g12", .init(4, 1, 0)), ("3.13.7.1", .init(3, 13, 7)),
    ])
  func versions(text: String, version: BrokerInfo.Version) {
    #expect(BrokerInfo.Version(text) == version)
  }

  @Test(
    "What is no version is none", arguments: ["", "4", "x.1", "rc-4.0", "99999999999999999999.1"])
  func none(text: String) {
    #expect(BrokerInfo.Version(text) == nil)
  }

  @Test("3.10 comes after 3.9")
  func order() {
    #expect(BrokerInfo.Version(3, 9, 20) < .init(3, 10))
    #expect(BrokerInfo.Version(3, 13, 7) < .init(4, 0))
    #expect(BrokerInfo.Version(4, 0, 1) > .init(4, 0, 0))
  }

  @Test(
    "The broker's own words are there once connected, and its topology may depend on them",
    .needsBroker)
  func connected() async throws {
    let seen = Mutex<[BrokerInfo]>([])
    let connection = Connection(
      configuration: try await configuration(),
      topology: { broker in
        seen.withLock { $0.append(broker) }
        let name = (broker.version ?? .init(0, 0)) < .init(3, 0) ? "before-3" : "from-3"
        return Topology(queues: [.classic(name, durable: false, exclusive: true)])
      }, logger: quietLogger())
    #expect(await connection.broker == nil)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await connection.run() }
      defer { group.cancelAll() }
      try await connection.waitUntilReady(timeout: .seconds(30))
      let broker = try #require(await connection.broker)
      #expect(broker.product == "RabbitMQ")
      #expect(try #require(broker.version) >= .init(3, 8))
      #expect(broker.capabilities.isSuperset(of: ["publisher_confirms", "connection.blocked"]))
      #expect(broker.clusterName.contains("@"))
      #expect(seen.withLock { $0 } == [broker])
      #expect(try await connection.inspect(queue: "from-3").messages == 0)
    }
  }

  @Test("A described topology that changes replaces what it described before, and nothing else")
  func replaced() {
    var topology = Topology()
    let before = Topology(queues: [.quorum("a"), .classic("b"), .classic("gone")])
    topology.replace(Topology(), with: before)
    topology.merge(Topology(queues: [.classic("added")]))
    topology.remove(queue: "b")
    let after = Topology(queues: [.quorum("a", arguments: ["x-delivery-limit": -1]), .classic("b")])
    topology.replace(before, with: after)
    #expect(
      topology.queues == [
        .classic("added"), .quorum("a", arguments: ["x-delivery-limit": -1]),
      ])
  }
}
