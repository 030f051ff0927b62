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
