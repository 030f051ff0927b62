/// Where the broker is, and how to talk to it.
public struct ConnectionConfiguration: Sendable, Hashable {
  /// Name or address, an IPv6 address without brackets.
  public var host: String
  /// 5672 for AMQP, 5671 for AMQP over TLS.
  public var port: UInt16
  /// Further nodes of the same cluster. They are tried in order, the one that was connected last
  /// first; each by all of its addresses.
  public var otherHosts: [BrokerHost] = []
  /// The virtual host; `/` is RabbitMQ's default one.
  public var virtualHost: String
  /// The user's name.
  public var username: String
  /// The user's password.
  public var password: String
  /// What every publication says in its property `user-id` that says nothing there; `nil`: nothing.
  /// RabbitMQ refuses a publication whose `user-id` is not the user who is logged in, so that its
  /// reader can believe it ("Validated User-ID").
  public var userID: String?
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
  /// Bound for finding the addresses of a host, for reaching each of them, and for logging in.
  public var connectTimeout: Duration = .seconds(5)
  /// Bound for an answer of the broker to a declaration and the like, once connected; and for
  /// waiting to be connected.
  public var rpcTimeout: Duration = .seconds(20)
  /// The largest frame to offer, 4,096 to 2,147,483,647 bytes.
  public var frameMax: UInt32 = 131_072
  /// How many channels to ask for: one per consumer, one per exchange that is published to, and
  /// two more; at least 4. 0: as many as the broker allows.
  public var channelMax: UInt16 = 0
  /// How many publications may be unconfirmed at a time, at least 1; further ones wait.
  public var maximumUnconfirmed: Int = 4_096
  /// How many bytes of publications, as they go over the wire, may wait to be sent and confirmed.
  /// Who publishes more waits for room. A batch that alone is larger goes when nothing else waits.
  public var maximumPendingBytes: Int = 64 << 20
  /// How many bytes of deliveries (bodies, and 256 for each) may wait to be taken, over all consumers
  /// of the connection. Above it the socket is not read until half of it is taken: so a consumer
  /// without a prefetch, or with ``Subscription/noAck``, cannot fill the memory. Nothing else is read
  /// meanwhile either, so confirms and answers should not depend on the connection of such a
  /// consumer.
  public var maximumBufferedBytes: Int = 64 << 20
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
  /// The URL may list several hosts, divided by commas: `amqp://user:password@a:5672,b,[::1]/vhost`.
  ///
  /// Throws ``AMQPError/url(_:)``, which names the part that is wrong and what would be right, but
  /// quotes nothing that may be the password. An '@' in a virtual host is `%40`.
  public init(url: String) throws(AMQPError) {
    self = try ConnectionURL(url).configuration()
  }

  /// Host, port and virtual host, without user or password: safe to log.
  public var endpoint: String { endpoint(BrokerHost(host, port: port)) }

  /// The port of a host that is given without one.
  var defaultPort: UInt16 { tls == nil ? ConnectionURL.plainPort : ConnectionURL.tlsPort }

  /// All hosts, the first one first.
  var hosts: [BrokerHost] { [BrokerHost(host, port: port)] + otherHosts }

  func endpoint(_ host: BrokerHost) -> String {
    let name = host.name.contains(":") ? "[\(host.name)]" : host.name
    let vhost = virtualHost == "/" ? "" : "/\(virtualHost)"
    return "\(tls == nil ? "amqp" : "amqps")://\(name):\(host.port)\(vhost)"
  }

  /// For declarations, for requests, for publishing to one exchange, for one consumer.
  static let leastChannels: UInt16 = 4

  /// Throws ``AMQPError/invalidArgument(_:)`` for what C strings or AMQP cannot carry.
  func check() throws(AMQPError) {
    for (what, value) in [("virtual host", virtualHost)] + hosts.map({ ("host", $0.name) })
    where value.utf8.contains(0) {
      throw .invalidArgument("the \(what) contains a NUL character")
    }
    try Credentials(username: username, password: password).check()
    guard channelMax == 0 || channelMax >= Self.leastChannels else {
      throw .invalidArgument(
        "channelMax is \(channelMax): at least \(Self.leastChannels) channels are needed, for "
          + "declarations, requests, publishing and a consumer; 0 is as many as the broker allows")
    }
    try ShortString.check(virtualHost, "the virtual host")
    try ShortString.check(connectionName, "the connection's name")
    if let userID { try ShortString.check(userID, "userID") }
    guard frameMax >= 4_096, frameMax <= UInt32(Int32.max) else {
      throw .invalidArgument("frameMax is \(frameMax), allowed are 4096 to \(Int32.max)")
    }
    guard maximumUnconfirmed >= 1 else {
      throw .invalidArgument("maximumUnconfirmed is \(maximumUnconfirmed), the least is 1")
    }
    for (what, value) in [
      ("maximumPendingBytes", maximumPendingBytes), ("maximumBufferedBytes", maximumBufferedBytes),
    ] where value < 1 {
      throw .invalidArgument("\(what) is \(value), the least is 1")
    }
    if let tls, (tls.certificateFile == nil) != (tls.keyFile == nil) {
      throw .tls("a client certificate needs both certfile and keyfile")
    }
  }
}

/// A user name and a password.
public struct Credentials: Sendable, Hashable {
  /// The user's name.
  public var username: String
  /// The user's password, or a token that takes its place.
  public var password: String

  /// Credentials of that user.
  public init(username: String, password: String) {
    self.username = username
    self.password = password
  }

  func check() throws(AMQPError) {
    for (what, value) in [("user name", username), ("password", password)]
    where value.utf8.contains(0) {
      throw .invalidArgument("the \(what) contains a NUL character")
    }
  }
}

/// A host on which a broker is.
public struct BrokerHost: Sendable, Hashable {
  /// Name or address, an IPv6 address without brackets.
  public var name: String
  /// The port.
  public var port: UInt16

  /// A host of that name.
  public init(_ name: String, port: UInt16) {
    self.name = name
    self.port = port
  }
}

/// How to log in (`auth_mechanism` in a URL).
public enum Authentication: String, Sendable, Hashable, CaseIterable {
  /// With user name and password.
  case plain
  /// By the client's TLS certificate; the broker needs the plugin `rabbitmq_auth_mechanism_ssl`.
  case external
}

/// How to speak TLS. Always at least TLS 1.2.
public struct TLSConfiguration: Sendable, Hashable {
  /// PEM file of the certificate authorities to trust; `nil`: those of the system (`SSL_CERT_FILE`,
  /// or the bundle in the usual places).
  public var caCertificateFile: String?
  /// PEM file of the client's certificate chain. Needs ``keyFile``.
  public var certificateFile: String?
  /// PEM file of the client's private key, not encrypted. Needs ``certificateFile``.
  public var keyFile: String?
  /// Whether the broker's certificate must be signed by a trusted authority, and be for its host
  /// name. Turning this off leaves the connection open to anyone in between.
  public var verifyPeer: Bool

  /// The name to ask the broker's TLS for, and to verify its certificate against
  /// (`server_name_indication` in a URL); `nil`: the host that is connected to.
  public var serverName: String?

  /// Verifies the broker against the system's authorities, unless told otherwise.
  public init(
    caCertificateFile: String? = nil, certificateFile: String? = nil, keyFile: String? = nil,
    verifyPeer: Bool = true
  ) {
    self.caCertificateFile = caCertificateFile
    self.certificateFile = certificateFile
    self.keyFile = keyFile
    self.verifyPeer = verifyPeer
  }
}

extension ConnectionConfiguration {
  /// What the connection tells the broker of itself. librabbitmq adds
  /// `authentication_failure_close`.
  var clientProperties: FieldTable {
    var properties: FieldTable = [
      "product": .string(product),
      "capabilities": [
        "authentication_failure_close": true,
        "basic.nack": true,
        "connection.blocked": true,
        "consumer_cancel_notify": true,
        "exchange_exchange_bindings": true,
        "publisher_confirms": true,
      ],
    ]
    if !connectionName.isEmpty { properties["connection_name"] = .string(connectionName) }
    return properties
  }
}
