/// How to log in (`auth_mechanism` in a URL).
public enum Authentication: String, Sendable, Hashable, CaseIterable {
  /// With user name and password.
  case plain
  /// By the client's TLS certificate; the broker needs the plugin `rabbitmq_auth_mechanism_ssl`.
  case external
}
