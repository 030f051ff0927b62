import Testing

@testable import AMQP

@Suite("Topologies")
struct TopologyTests {
  @Test("Merging replaces what has the same name and repeats no binding")
  func merge() {
    var topology = Topology(
      exchanges: [ExchangeDeclaration("e", kind: .direct)], queues: [.quorum("q")],
      bindings: [Binding(queue: "q", source: "e", routingKey: "k")])
    topology.merge(
      Topology(
        exchanges: [
          ExchangeDeclaration("e", kind: .topic), ExchangeDeclaration("f", kind: .fanout),
        ],
        queues: [.classic("q"), .classic("r")],
        bindings: [
          Binding(queue: "q", source: "e", routingKey: "k"),
          Binding(queue: "q", source: "e", routingKey: "l"),
        ]))
    #expect(topology.exchanges.map(\.kind) == [.topic, .fanout])
    #expect(topology.queues == [.classic("q"), .classic("r")])
    #expect(topology.bindings.map(\.routingKey) == ["k", "l"])
  }

  @Test("What is deleted takes its bindings along")
  func remove() {
    var topology = Topology(
      exchanges: [
        ExchangeDeclaration("e", kind: .direct), ExchangeDeclaration("f", kind: .direct),
      ],
      queues: [.classic("q")],
      bindings: [
        Binding(queue: "q", source: "e"), Binding(source: "e", destination: .exchange("f")),
        Binding(queue: "q", source: "f"),
      ])
    topology.remove(exchange: "e")
    #expect(topology.exchanges.map(\.name) == ["f"])
    #expect(topology.bindings == [Binding(queue: "q", source: "f")])
    topology.remove(queue: "q")
    #expect(topology.queues.isEmpty && topology.bindings.isEmpty)
  }

  @Test("Names that AMQP cannot carry are refused, and queues without a name")
  func check() {
    let long = String(repeating: "x", count: 256)
    let wrong = [
      Topology(exchanges: [ExchangeDeclaration(long, kind: .direct)]),
      Topology(exchanges: [ExchangeDeclaration("e", kind: .other(long))]),
      Topology(queues: [.classic(long)]), Topology(queues: [.classic("")]),
      Topology(queues: [.classic("q", arguments: [long: 1])]),
      Topology(bindings: [Binding(queue: long, source: "e")]),
      Topology(bindings: [Binding(queue: "q", source: long)]),
      Topology(bindings: [Binding(queue: "q", source: "e", routingKey: long)]),
    ]
    for topology in wrong { #expect(throws: AMQPError.self) { try topology.check() } }
    #expect(throws: Never.self) {
      try Topology(queues: [.quorum(String(repeating: "x", count: 255))]).check()
    }
  }
}
