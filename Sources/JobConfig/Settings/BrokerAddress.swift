/// The URL of the broker. However it is printed, its password is not; ``url`` alone has it.
public struct BrokerAddress: Sendable, Hashable {
  /// As it was given: an AMQP URL (RabbitMQ URI specification), with user and password.
  public let url: String

  public init(_ url: String) {
    self.url = url
  }

  /// The guest account of a broker on this machine, which RabbitMQ comes with.
  public static let standard = BrokerAddress("amqp://guest:guest@127.0.0.1:5672/")
}

extension BrokerAddress: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The URL with `***` in place of the password, and without its query.
  public var description: String {
    let shown = url.prefix { $0 != "?" }
    guard let scheme = shown.firstRange(of: "://") else { return "***" }
    let rest = shown[scheme.upperBound...]
    // Not up to the first slash: a password in which someone forgot to encode one must not be shown either.
    guard let at = rest.lastIndex(of: "@") else { return String(shown) }
    let user = rest[..<at].prefix { $0 != ":" }
    let password = user.endIndex == at ? "" : ":***"
    return "\(shown[..<scheme.upperBound])\(user)\(password)\(rest[at...])"
  }

  public var debugDescription: String { description }

  public var customMirror: Mirror { Mirror(self, children: ["url": description]) }
}
