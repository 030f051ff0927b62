import Foundation

/// Where a server's API is.
struct ServerURL: Sendable, Hashable {
  /// Without a slash at the end.
  let text: String

  /// - Throws: ``JobClientError/invalidRequest(_:)`` that says what would be right. The URL is not repeated when it holds a
  ///   password.
  init(_ text: String) throws(JobClientError) {
    let example = "a server is given as in http://127.0.0.1:8080"
    guard let components = URLComponents(string: text), let scheme = components.scheme,
      ["http", "https"].contains(scheme.lowercased())
    else {
      throw .invalidRequest(
        "'\(text.prefix { $0 != "@" }.prefix(100))' is no http:// URL; \(example)")
    }
    guard components.user == nil, components.password == nil else {
      throw .invalidRequest("the server's URL must not hold a user or a password; \(example)")
    }
    guard let host = components.host, !host.isEmpty else {
      throw .invalidRequest("'\(text.prefix(100))' names no host; \(example)")
    }
    guard components.query == nil, components.fragment == nil else {
      throw .invalidRequest("'\(text.prefix(100))' has a query or a fragment; \(example)")
    }
    if let port = components.port, !(1...65_535).contains(port) {
      throw .invalidRequest("the port must be 1 to 65535, not \(port); \(example)")
    }
    var trimmed = Substring(text)
    while trimmed.last == "/" { trimmed.removeLast() }
    self.text = String(trimmed)
  }

  /// The URL of a resource.
  ///
  /// - Parameters:
  ///   - path: its parts, not yet percent-encoded.
  ///   - query: likewise.
  func url(_ path: [String], query: [(name: String, value: String)] = []) -> String {
    let path = path.map { "/" + Self.encode($0) }.joined()
    guard !query.isEmpty else { return text + path }
    let pairs = query.map { "\(Self.encode($0.name))=\(Self.encode($0.value))" }
    return "\(text)\(path)?\(pairs.joined(separator: "&"))"
  }

  /// Encodes all but the unreserved characters (RFC 3986, section 2.3), and the colon of job types for its looks.
  private static func encode(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF")
    var encoded = ""
    for byte in text.utf8 {
      let scalar = Character(UnicodeScalar(byte))
      if scalar.isASCII, scalar.isLetter || scalar.isNumber || "-._~:".contains(scalar) {
        encoded.append(scalar)
      } else {
        encoded += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
      }
    }
    return encoded
  }
}
