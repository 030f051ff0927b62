/// Exchanges, queues and bindings that belong together.
public struct Topology: Sendable, Hashable {
  /// Declared first.
  public var exchanges: [ExchangeDeclaration]
  /// Declared second.
  public var queues: [QueueDeclaration]
  /// Made last.
  public var bindings: [Binding]

  /// A topology of the given parts.
  public init(
    exchanges: [ExchangeDeclaration] = [], queues: [QueueDeclaration] = [], bindings: [Binding] = []
  ) {
    self.exchanges = exchanges
    self.queues = queues
    self.bindings = bindings
  }

  /// Adds what `other` has. An exchange or queue of the same name is replaced, an equal binding is
  /// not repeated.
  public mutating func merge(_ other: Topology) {
    for exchange in other.exchanges {
      if let index = exchanges.firstIndex(where: { $0.name == exchange.name }) {
        exchanges[index] = exchange
      } else {
        exchanges.append(exchange)
      }
    }
    for queue in other.queues {
      if let index = queues.firstIndex(where: { $0.name == queue.name }) {
        queues[index] = queue
      } else {
        queues.append(queue)
      }
    }
    for binding in other.bindings where !bindings.contains(binding) {
      bindings.append(binding)
    }
  }

  /// Replaces what `old` described by what `new` describes. What both describe alike stays as it
  /// is, also if it has been removed meanwhile.
  mutating func replace(_ old: Topology, with new: Topology) {
    guard old != new else { return }
    exchanges.removeAll { old.exchanges.contains($0) && !new.exchanges.contains($0) }
    queues.removeAll { old.queues.contains($0) && !new.queues.contains($0) }
    bindings.removeAll { old.bindings.contains($0) && !new.bindings.contains($0) }
    merge(
      Topology(
        exchanges: new.exchanges.filter { !old.exchanges.contains($0) },
        queues: new.queues.filter { !old.queues.contains($0) },
        bindings: new.bindings.filter { !old.bindings.contains($0) }))
  }

  /// Forgets a queue and the bindings that lead to it, and returns them.
  @discardableResult
  mutating func remove(queue: String) -> Topology {
    let removed = Topology(
      queues: queues.filter { $0.name == queue },
      bindings: bindings.filter { $0.destination == .queue(queue) })
    queues.removeAll { $0.name == queue }
    bindings.removeAll { $0.destination == .queue(queue) }
    return removed
  }

  /// Forgets an exchange and the bindings from and to it.
  mutating func remove(exchange: String) {
    exchanges.removeAll { $0.name == exchange }
    bindings.removeAll { $0.source == exchange || $0.destination == .exchange(exchange) }
  }

  /// Throws ``AMQPError/invalidArgument(_:)`` if a name is longer than AMQP allows or a queue has
  /// none.
  func check() throws(AMQPError) {
    for exchange in exchanges {
      try ShortString.check(exchange.name, "the exchange's name")
      try ShortString.check(exchange.kind.name, "the kind of exchange \(exchange.name)")
      try Self.check(exchange.arguments, of: "exchange \(exchange.name)")
    }
    for queue in queues {
      guard !queue.name.isEmpty else {
        throw .invalidArgument("a queue needs a name: it is declared again after each reconnect")
      }
      try ShortString.check(queue.name, "the queue's name")
      try Self.check(queue.arguments, of: "queue \(queue.name)")
    }
    for binding in bindings {
      try ShortString.check(binding.source, "the binding's source")
      try ShortString.check(binding.routingKey, "the binding's routing key")
      switch binding.destination {
      case .queue(let name), .exchange(let name):
        try ShortString.check(name, "the binding's destination")
      }
      try Self.check(binding.arguments, of: "a binding of exchange \(binding.source)")
    }
  }

  private static func check(_ arguments: FieldTable, of what: String) throws(AMQPError) {
    if let name = arguments.overlongName {
      throw .invalidArgument(
        "the argument name \(name.prefix(40))… of \(what) is longer than \(ShortString.limit) bytes"
      )
    }
  }
}
