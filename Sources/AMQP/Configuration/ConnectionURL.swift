/// An AMQP URL taken apart by RabbitMQ's URI specification:
/// `amqp[s]://[user[:password]@]host[:port][,host[:port]…][/vhost][?name=value&…]`, each part percent-decoded by
/// itself.
///
/// Deviating from that specification, `amqp://host/` means the virtual host `/` as `amqp://host`
/// does, not the one with the empty name, since that is what people mean who write it. And a virtual
/// host must not contain a bare `@`: more likely a password contains a bare `/`, and what is behind
/// that would be shown as the virtual host.
///
/// Errors are logged, so they quote nothing of the URL but names of query parameters: where a
/// character is missing or not percent-encoded, any other part may hold the password.
struct ConnectionURL: Equatable {
  static let plainPort: UInt16 = 5672
  static let tlsPort: UInt16 = 5671

  var secure = false
  var username: String?
  var password: String?
  var host = "localhost"
  var port: UInt16?
  /// Those behind the first one.
  var otherHosts: [Host] = []
  var virtualHost = "/"
  var query: [QueryItem] = []

  struct Host: Equatable {
    var name: String
    var port: UInt16?
  }

  struct QueryItem: Equatable {
    var name: String
    var value: String
  }

  init(_ text: String) throws(AMQPError) {
    var rest = Substring(text)
    guard let scheme = rest.take(upTo: "://") else {
      throw .url("it must begin with amqp:// or amqps://")
    }
    switch scheme.lowercased() {
    case "amqp": secure = false
    case "amqps": secure = true
    default: throw .url("the scheme is unknown: use amqp:// or amqps://")
    }
    guard !text.unicodeScalars.contains(where: { $0.value <= 32 || $0 == "#" }) else {
      throw .url("it contains a space, a control character or '#': percent-encode it (%23 is '#')")
    }
    if let mark = rest.firstIndex(of: "?") {
      try parse(query: rest[rest.index(after: mark)...])
      rest = rest[..<mark]
    }
    if let slash = rest.firstIndex(of: "/") {
      try parse(path: rest[rest.index(after: slash)...])
      rest = rest[..<slash]
    }
    if let at = rest.lastIndex(of: "@") {
      try parse(user: rest[..<at])
      rest = rest[rest.index(after: at)...]
    }
    let hosts = rest.split(separator: ",", omittingEmptySubsequences: false)
    guard hosts.count == 1 || hosts.allSatisfy({ !$0.isEmpty }) else {
      throw .url("a host is missing before or after a comma")
    }
    for text in hosts.dropFirst() {
      try parse(authority: text)
      otherHosts.append(Host(name: host, port: port))
      (host, port) = ("localhost", nil)
    }
    if let first = hosts.first { try parse(authority: first) }
  }

  /// What looks like a host and its port may be a user name and its password.
  private static let hint =
    " (user name and password stand before an '@', with '/', '?' and '@' in them percent-encoded)"

  private mutating func parse(user text: Substring) throws(AMQPError) {
    // A ':' or '@' inside either must be percent-encoded, so the first ':' divides them.
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard !text.contains("@") else {
      throw .url("more than one '@': percent-encode those in the user name or password as %40")
    }
    username = try parts.first.map { part throws(AMQPError) in
      try Self.decode(part, "the user name")
    }
    if parts.count == 2 { password = try Self.decode(parts[1], "the password") }
  }

  private mutating func parse(authority text: Substring) throws(AMQPError) {
    var portText: Substring?
    if text.hasPrefix("[") {
      guard let end = text.firstIndex(of: "]") else {
        throw .url("an IPv6 address needs a closing ']'")
      }
      host = try Self.decode(text[text.index(after: text.startIndex)..<end], "the host")
      let rest = text[text.index(after: end)...]
      guard rest.isEmpty || rest.hasPrefix(":") else {
        throw .url("only a port can follow an IPv6 address")
      }
      guard host.contains(":"),
        host.prefix(while: { $0 != "%" }).allSatisfy({ $0.isHexDigit || ":.".contains($0) })
      else {
        throw .url("what is in brackets is not an IPv6 address")
      }
      portText = rest.isEmpty ? nil : rest.dropFirst()
    } else {
      let parts = text.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count <= 2 else {
        throw .url(
          "a host has more than one ':': write an IPv6 address in brackets, as in [::1]\(Self.hint)"
        )
      }
      if let name = parts.first, !name.isEmpty { host = try Self.decode(name, "the host") }
      if parts.count == 2 { portText = parts[1] }
    }
    if let portText, !portText.isEmpty {
      guard let number = UInt16(portText), number > 0, portText.first != "+" else {
        throw .url("the port must be 1 to 65535\(Self.hint)")
      }
      port = number
    }
  }

  private mutating func parse(path text: Substring) throws(AMQPError) {
    guard !text.contains("/") else {
      throw .url("the virtual host contains '/': percent-encode it as %2F")
    }
    guard !text.contains("@") else {
      throw .url(
        "the virtual host contains '@': percent-encode it as %40, and a '/' in the password as %2F")
    }
    if !text.isEmpty { virtualHost = try Self.decode(text, "the virtual host") }
    guard virtualHost.utf8.count <= ShortString.limit else {
      throw .url("the virtual host is longer than \(ShortString.limit) bytes")
    }
  }

  private mutating func parse(query text: Substring) throws(AMQPError) {
    for item in text.split(separator: "&") {
      let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2 else { throw .url("\(Self.shown(item)) has no value") }
      query.append(
        QueryItem(
          name: try Self.decode(parts[0], "a query parameter's name"),
          value: try Self.decode(parts[1], Self.shown(parts[0]))))
    }
  }

  /// A query parameter for an error: a name is quoted only if it is a known one, since all of this
  /// may be the rest of a password that contains a '?'.
  private static func shown(_ name: Substring) -> String {
    Parameter(rawValue: String(name)).map { "query parameter \($0.rawValue)" }
      ?? "a query parameter"
  }

  /// Percent-decodes. Throws for a `%` without two hexadecimal digits, and for bytes that are no
  /// UTF-8.
  static func decode(_ text: Substring, _ what: String) throws(AMQPError) -> String {
    var bytes: [UInt8] = []
    var rest = text.utf8.makeIterator()
    while let byte = rest.next() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let high = rest.next().flatMap(hexDigit), let low = rest.next().flatMap(hexDigit) else {
        throw .url("\(what) has a '%' that no two hexadecimal digits follow: write %25 for '%'")
      }
      bytes.append(high << 4 | low)
    }
    guard let decoded = String(validating: bytes, as: UTF8.self) else {
      throw .url("\(what) is not UTF-8 when percent-decoded")
    }
    return decoded
  }

  private static func hexDigit(_ byte: UInt8) -> UInt8? {
    Character(Unicode.Scalar(byte)).hexDigitValue.map(UInt8.init(truncatingIfNeeded:))
  }
}

extension Substring {
  /// What stands before `separator`, which is removed together with it.
  fileprivate mutating func take(upTo separator: String) -> Substring? {
    guard let range = ranges(of: separator).first else { return nil }
    defer { self = self[range.upperBound...] }
    return self[..<range.lowerBound]
  }
}
