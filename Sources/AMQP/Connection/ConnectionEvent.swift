/// What happens to a ``Connection``, for whoever listens.
public enum ConnectionEvent: Sendable, Hashable {
  /// Connected, topology declared, consumers subscribed (what was refused is told by itself). Connections are numbered 1, 2, 3 …
  case connected(generation: UInt64)
  /// The connection was lost, or could not be made. Another attempt follows, unless
  /// ``Connection/run()`` ends.
  case disconnected(AMQPError)
  /// The broker is short of memory or disk and takes no publications for now; its reason.
  case blocked(reason: String)
  /// The broker takes publications again.
  case unblocked
  /// The broker refuses something of the topology on a new connection (what it is, and the reason):
  /// it is tried again by itself, and told of once until it is accepted.
  case declarationRefused(String, AMQPError)
  /// A subscription was lost, or cannot be made for now; it is tried again. (A failure that trying
  /// again cannot heal ends the ``Consumer`` instead.)
  case resubscribing(queue: String, AMQPError)
}
