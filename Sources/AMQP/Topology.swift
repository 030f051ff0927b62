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

  /// The same for whoever does not see to it: what is there is taken as it is, however it was
  /// declared, and only what is missing is declared. A binding is made unless both its ends were
  /// there. It takes no permissions where all is there.
  public func takenAsFound() -> Topology {
    var topology = self
    for index in topology.exchanges.indices { topology.exchanges[index].isTakenAsFound = true }
    for index in topology.queues.indices { topology.queues[index].isTakenAsFound = true }
    return topology
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

/// An exchange as it should exist.
public struct ExchangeDeclaration: Sendable, Hashable {
  /// Its name, at most 255 bytes; `amq.` is the broker's own prefix.
  public var name: String
  /// How it routes.
  public var kind: ExchangeKind
  /// Whether it survives a restart of the broker.
  public var durable: Bool
  /// Whether it goes when its last binding goes.
  public var autoDelete: Bool
  /// Whether only other exchanges can publish to it.
  public var `internal`: Bool
  /// Such as `alternate-exchange`.
  public var arguments: FieldTable
  /// Whether one that is there is taken as it is, and it is declared only where there is none.
  public var isTakenAsFound = false

  /// A durable exchange, unless told otherwise.
  public init(
    _ name: String, kind: ExchangeKind, durable: Bool = true, autoDelete: Bool = false,
    internal: Bool = false, arguments: FieldTable = [:]
  ) {
    self.name = name
    self.kind = kind
    self.durable = durable
    self.autoDelete = autoDelete
    self.internal = `internal`
    self.arguments = arguments
  }
}

/// How an exchange routes.
public enum ExchangeKind: Sendable, Hashable {
  /// To queues bound with exactly the routing key.
  case direct
  /// To all bound queues.
  case fanout
  /// By patterns: `*` is one word, `#` any number of words.
  case topic
  /// By headers instead of the routing key.
  case headers
  /// A kind that a plugin adds, such as `x-consistent-hash`.
  case other(String)

  /// The name on the wire.
  public var name: String {
    switch self {
    case .direct: "direct"
    case .fanout: "fanout"
    case .topic: "topic"
    case .headers: "headers"
    case .other(let name): name
    }
  }
}

/// A queue as it should exist.
public struct QueueDeclaration: Sendable, Hashable {
  /// Its name, 1 to 255 bytes; `amq.` is the broker's own prefix. (Names made by the broker are not
  /// offered: a queue that is declared again after a reconnect must keep its name.)
  public var name: String
  /// Whether it survives a restart of the broker.
  public var durable: Bool
  /// Whether only the connection that declared it may use it, and it goes with that connection.
  public var exclusive: Bool
  /// Whether it goes when its last consumer goes.
  public var autoDelete: Bool
  /// Such as `x-queue-type`, `x-max-length`, `x-message-ttl`.
  public var arguments: FieldTable
  /// Whether one that is there is taken as it is, and it is declared only where there is none.
  public var isTakenAsFound = false

  /// A queue of exactly these properties.
  public init(
    _ name: String, durable: Bool, exclusive: Bool, autoDelete: Bool, arguments: FieldTable = [:]
  ) {
    self.name = name
    self.durable = durable
    self.exclusive = exclusive
    self.autoDelete = autoDelete
    self.arguments = arguments
  }

  /// A replicated, durable queue (`x-queue-type: quorum`).
  public static func quorum(_ name: String, arguments: FieldTable = [:]) -> QueueDeclaration {
    var arguments = arguments
    arguments["x-queue-type"] = "quorum"
    return QueueDeclaration(
      name, durable: true, exclusive: false, autoDelete: false, arguments: arguments)
  }

  /// A classic queue, durable unless told otherwise.
  public static func classic(
    _ name: String, durable: Bool = true, exclusive: Bool = false, autoDelete: Bool = false,
    arguments: FieldTable = [:]
  ) -> QueueDeclaration {
    QueueDeclaration(
      name, durable: durable, exclusive: exclusive, autoDelete: autoDelete, arguments: arguments)
  }
}

/// What the broker says of a queue.
public struct QueueInfo: Sendable, Hashable {
  /// Its name.
  public let name: String
  /// Messages that wait in it (not those that are delivered and unacknowledged).
  public let messages: UInt32
  /// Consumers that are subscribed to it.
  public let consumers: UInt32

  /// A description; useful in tests, the broker gives those that count.
  public init(name: String, messages: UInt32, consumers: UInt32) {
    self.name = name
    self.messages = messages
    self.consumers = consumers
  }
}

/// Leads messages from an exchange to a queue or to another exchange.
public struct Binding: Sendable, Hashable {
  /// Where a binding leads to.
  public enum Destination: Sendable, Hashable {
    /// A queue of that name.
    case queue(String)
    /// An exchange of that name (a RabbitMQ extension).
    case exchange(String)
  }

  /// The exchange from which messages come.
  public var source: String
  /// Where they go.
  public var destination: Destination
  /// Which ones: what it means depends on the kind of the exchange.
  public var routingKey: String
  /// The headers to match, for an exchange of kind `headers`.
  public var arguments: FieldTable

  /// A binding from `source` to `destination`.
  public init(
    source: String, destination: Destination, routingKey: String = "", arguments: FieldTable = [:]
  ) {
    self.source = source
    self.destination = destination
    self.routingKey = routingKey
    self.arguments = arguments
  }

  /// A binding from exchange `source` to a queue.
  public init(
    queue: String, source: String, routingKey: String = "", arguments: FieldTable = [:]
  ) {
    self.init(
      source: source, destination: .queue(queue), routingKey: routingKey, arguments: arguments)
  }
}
