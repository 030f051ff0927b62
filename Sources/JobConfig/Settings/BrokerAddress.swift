import Foundation

/// The URL of the broker. However it is printed, its password is not; ``url`` alone has it.
public struct BrokerAddress: Sendable, Hashable {
  /// As it was given: an AMQP URL (RabbitMQ URI specification), with user and password.
  public let url: String

  public init(_ url: String) {
    self.url = url
  }

  /// The address with another user or password, which may have any character; `nil` keeps the URL's own.
  public func with(user: String?, password: String?) -> BrokerAddress {
    guard user != nil || password != nil, let scheme = url.firstRange(of: "://") else {
      return self
    }
    let rest = url[scheme.upperBound...]
    let authority = rest.prefix { !"/?#".contains($0) }
    let at = authority.lastIndex(of: "@")
    let host = at.map { authority[authority.index(after: $0)...] } ?? authority
    let given = at.map { authority[..<$0] } ?? ""
    let parts = given.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let oldUser = parts.first.flatMap { $0.isEmpty ? nil : String($0) }
    let oldPassword = parts.count > 1 ? String(parts[1]) : nil
    let newUser = user.map(Self.encoded) ?? oldUser ?? "guest"
    let newPassword = password.map(Self.encoded) ?? oldPassword
    return BrokerAddress(
      String(url[..<scheme.upperBound]) + newUser + (newPassword.map { ":\($0)" } ?? "") + "@"
        + host + rest[authority.endIndex...])
  }

  /// Encodes all but the unreserved characters (RFC 3986, section 2.3).
  private static func encoded(_ text: String) -> String {
    let unreserved = CharacterSet(charactersIn: "-._~").union(.init(charactersIn: "a"..."z"))
      .union(.init(charactersIn: "A"..."Z")).union(.init(charactersIn: "0"..."9"))
    return text.addingPercentEncoding(withAllowedCharacters: unreserved) ?? ""
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
