/// What a broker and a client have agreed to.
struct ConnectionLimits: Equatable {
  /// The highest channel number.
  var channelMax: UInt16
  /// The largest frame.
  var frameMax: Int
  /// Seconds; 0 is none.
  var heartbeat: UInt16
}

/// What this client sends, except basic.publish, which goes with its content.
enum OutboundMethod: Equatable {
  case protocolHeader
  case heartbeat
  case startOk(properties: FieldTable, mechanism: String, response: [UInt8])
  case tuneOk(ConnectionLimits)
  case connectionOpen(virtualHost: String)
  case updateSecret([UInt8], reason: String)
  case connectionClose
  case connectionCloseOk
  case channelOpen
  case channelClose
  case channelCloseOk
  case flowOk(active: Bool)
  case confirmSelect
  case exchangeDeclare(ExchangeDeclaration)
  case exchangeInspect(String)
  case exchangeDelete(String, ifUnused: Bool)
  case queueDeclare(QueueDeclaration)
  case queueInspect(String)
  case queueDelete(String, ifUnused: Bool, ifEmpty: Bool)
  case queuePurge(String)
  case bind(Binding)
  case unbind(Binding)
  case qos(prefetch: UInt16)
  case consume(Subscription)
  case cancel(consumerTag: String)
  case get(queue: String, noAck: Bool)
  case settle(Settlement)

  /// What it is about, for messages.
  var subject: String {
    switch self {
    case .protocolHeader, .startOk, .tuneOk, .connectionOpen: "log in"
    case .heartbeat: "heartbeat"
    case .updateSecret: "connection.update-secret"
    case .connectionClose, .connectionCloseOk: "connection close"
    case .channelOpen: "channel open"
    case .channelClose, .channelCloseOk: "channel close"
    case .flowOk: "channel flow"
    case .confirmSelect: "confirm.select"
    case .exchangeDeclare(let exchange): "declare exchange \(exchange.name)"
    case .exchangeInspect(let name): "inspect exchange \(name)"
    case .exchangeDelete(let name, _): "delete exchange \(name)"
    case .queueDeclare(let queue): "declare queue \(queue.name)"
    case .queueInspect(let name): "inspect queue \(name)"
    case .queueDelete(let name, _, _): "delete queue \(name)"
    case .queuePurge(let name): "purge queue \(name)"
    case .bind(let binding): "bind to exchange \(binding.source)"
    case .unbind(let binding): "unbind from exchange \(binding.source)"
    case .qos: "basic.qos"
    case .consume(let subscription): "consume from queue \(subscription.queue)"
    case .cancel: "cancel a consumer"
    case .get(let queue, _): "get from queue \(queue)"
    case .settle: "acknowledge"
    }
  }

  /// Whether it declares what is taken as it is where it is there.
  var isTakenAsFound: Bool {
    switch self {
    case .exchangeDeclare(let exchange): exchange.isTakenAsFound
    case .queueDeclare(let queue): queue.isTakenAsFound
    default: false
    }
  }

  /// What asks, without a permission, whether what it would make is there; nothing where that cannot
  /// be asked.
  var inspections: [OutboundMethod] {
    switch self {
    case .exchangeDeclare(let exchange): [.exchangeInspect(exchange.name)]
    // Its own names the broker gives; what is exclusive is nobody else's to declare.
    case .queueDeclare(let queue) where !queue.name.isEmpty && !queue.exclusive:
      [.queueInspect(queue.name)]
    case .bind(let binding):
      switch binding.destination {
      case .queue(let name): [.exchangeInspect(binding.source), .queueInspect(name)]
      case .exchange(let name): [.exchangeInspect(binding.source), .exchangeInspect(name)]
      }
    default: []
    }
  }
}
