/// The methods that a broker sends to a client.
enum InboundMethod: Equatable {
  case connectionClose(code: UInt16, text: String)
  case connectionCloseOk
  case blocked(reason: String)
  case unblocked
  case channelOpenOk
  case channelClose(code: UInt16, text: String)
  case channelCloseOk
  case flow(active: Bool)
  case declared(queue: String, messages: UInt32, consumers: UInt32)
  /// purge-ok and delete-ok: how many messages went.
  case removed(messages: UInt32)
  case consumeOk(consumerTag: String)
  case cancelled(consumerTag: String)
  case content(Content.Subject)
  case confirm(tag: UInt64, multiple: Bool, ack: Bool)
  /// Any of the replies that carry nothing: exchange.declare-ok, queue.bind-ok, qos-ok, select-ok,
  /// cancel-ok …
  case done
  case unexpected(UInt32)
}
