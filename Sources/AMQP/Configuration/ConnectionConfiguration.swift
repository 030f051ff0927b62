/// Where the broker is, and how to talk to it.
public struct ConnectionConfiguration: Sendable, Hashable {
  /// Name or address, an IPv6 address without brackets.
  public var host: String
  /// 5672 for AMQP, 5671 for AMQP over TLS.
  public var port: UInt16
  /// The virtual host; `/` is RabbitMQ's default one.
  public var virtualHost: String
  /// The user's name.
  public var username: String
  /// The user's password.
  public var password: String
  /// How to log in.
  public var authentication: Authentication = .plain
  /// Seconds without a sign of life after which either side takes the other for dead, roughly: the
  /// broker may lower it. 0: none, so a peer that vanishes silently is only noticed when something
  /// is sent.
  public var heartbeat: UInt16 = 30
  /// TLS; `nil` is plain TCP.
  public var tls: TLSConfiguration?
  /// What operators see in the management UI.
  public var connectionName: String = ""
  /// The `product` in the connection's client properties.
  public var product: String = "Warren"
  /// Bound for reaching the broker, and again for logging in. While an attempt to connect is under
  /// way the connection does nothing else, so other bounds may be exceeded by this much.
  public var connectTimeout: Duration = .seconds(5)
  /// Bound for an answer of the broker to a declaration and the like, once connected; and for
  /// waiting to be connected.
  public var rpcTimeout: Duration = .seconds(20)
  /// The largest frame to offer, 4,096 to 2,147,483,647 bytes.
  public var frameMax: UInt32 = 131_072
  /// How many channels to ask for: one per consumer and three more. 0: as many as the broker
  /// allows.
  public var channelMax: UInt16 = 0
  /// How many publications may be unconfirmed at a time, at least 1; further ones wait.
  public var maximumUnconfirmed: Int = 4_096
  /// When to try again.
  public var reconnect = ReconnectPolicy()

  /// A configuration with the defaults of the broker's own: user and password `guest`, virtual host
  /// `/`.
  public init(
    host: String = "localhost", port: UInt16? = nil, virtualHost: String = "/",
    username: String = "guest", password: String = "guest", tls: TLSConfiguration? = nil
  ) {
    self.host = host
    self.port = port ?? (tls == nil ? ConnectionURL.plainPort : ConnectionURL.tlsPort)
    self.virtualHost = virtualHost
    self.username = username
    self.password = password
    self.tls = tls
  }

  /// Reads an `amqp://` or `amqps://` URL by RabbitMQ's URI specification and its query parameters
  /// `heartbeat`, `connection_timeout` (ms), `channel_max`, `auth_mechanism`, `cacertfile`,
  /// `certfile`, `keyfile`, `verify` and `server_name_indication`.
  ///
  /// Throws ``AMQPError/url(_:)``, which names the part that is wrong and what would be right.
  public init(url: String) throws(AMQPError) {
    self = try ConnectionURL(url).configuration()
  }

  /// Host, port and virtual host, without user or password: safe to log.
  public var endpoint: String {
    let host = host.contains(":") ? "[\(host)]" : host
    let vhost = virtualHost == "/" ? "" : "/\(virtualHost)"
    return "\(tls == nil ? "amqp" : "amqps")://\(host):\(port)\(vhost)"
  }

  /// Throws ``AMQPError/invalidArgument(_:)`` for what C strings or AMQP cannot carry.
  func check() throws(AMQPError) {
    for (what, value) in [
      ("host", host), ("virtual host", virtualHost), ("user name", username),
      ("password", password),
    ] where value.utf8.contains(0) {
      throw .invalidArgument("the \(what) contains a NUL character")
    }
    try ShortString.check(virtualHost, "the virtual host")
    try ShortString.check(connectionName, "the connection's name")
    guard frameMax >= 4_096, frameMax <= UInt32(Int32.max) else {
      throw .invalidArgument("frameMax is \(frameMax), allowed are 4096 to \(Int32.max)")
    }
    guard maximumUnconfirmed >= 1 else {
      throw .invalidArgument("maximumUnconfirmed is \(maximumUnconfirmed), the least is 1")
    }
    if let tls, (tls.certificateFile == nil) != (tls.keyFile == nil) {
      throw .tls("a client certificate needs both certfile and keyfile")
    }
  }
}
