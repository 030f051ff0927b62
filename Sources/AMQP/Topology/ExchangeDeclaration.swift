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
