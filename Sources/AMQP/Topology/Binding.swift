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
