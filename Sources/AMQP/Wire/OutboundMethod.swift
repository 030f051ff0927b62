/// The methods that this client sends, except basic.publish, which goes with its content.
enum OutboundMethod {
  case connectionClose
  case connectionCloseOk
  case channelOpen
  case channelClose
  case channelCloseOk
  case flowOk(active: Bool)
  case confirmSelect
  case exchangeDeclare(ExchangeDeclaration)
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
  case settle(Settlement)

  /// What it is about, for messages.
  var subject: String {
    switch self {
    case .connectionClose, .connectionCloseOk: "connection close"
    case .channelOpen: "channel open"
    case .channelClose, .channelCloseOk: "channel close"
    case .flowOk: "channel flow"
    case .confirmSelect: "confirm.select"
    case .exchangeDeclare(let exchange): "declare exchange \(exchange.name)"
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
    case .settle: "acknowledge"
    }
  }
}
