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
