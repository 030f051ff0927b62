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
