/// What a text is, by JSON Schema's names. A text that is not so is refused ("format-assertion"); other names of formats than these
/// are notes for people.
public enum ParamsFormat: String, Sendable, Hashable, Codable, CaseIterable {
  /// RFC 3339, as in `2026-07-01T12:00:00Z`.
  case dateTime = "date-time"
  /// RFC 3339, as in `2026-07-01`.
  case date
  /// RFC 3339, as in `12:00:00+02:00`: with its zone.
  case time
  /// RFC 9562, in either case.
  case uuid
  /// RFC 3986, with a scheme.
  case uri
  /// RFC 3986, relative ones included.
  case uriReference = "uri-reference"
  /// RFC 5321's mailbox, in ASCII.
  case email
  /// RFC 1123. Of a name in Punycode it is only looked at whether it has the form.
  case hostname
  /// Four decimal numbers.
  case ipv4
  /// RFC 4291, without a zone.
  case ipv6

  func accepts(_ text: String) -> Bool {
    let bytes = text.utf8
    return switch self {
    case .dateTime: RFC3339.seconds(of: text) != nil
    case .date: RFC3339.days(of: bytes[...]) != nil
    case .time: RFC3339.timeOfDay(of: bytes[...]) != nil
    case .uuid: Self.isUUID(bytes)
    case .uri: URIText.isURI(bytes[...])
    case .uriReference: URIText.isReference(bytes[...])
    case .email: Self.isEmail(bytes[...])
    case .hostname: Self.isHostname(bytes[...])
    case .ipv4: IPText.isV4(bytes[...])
    case .ipv6: IPText.isV6(bytes[...])
    }
  }

  private static func isUUID(_ bytes: String.UTF8View) -> Bool {
    bytes.count == 36
      && bytes.enumerated().allSatisfy { index, byte in
        [8, 13, 18, 23].contains(index) ? byte == UInt8(ascii: "-") : byte.isHex
      }
  }

  private static func isHostname(_ bytes: Substring.UTF8View) -> Bool {
    bytes.count <= 253
      && bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy {
        label in
        let hyphen = UInt8(ascii: "-")
        guard (1...63).contains(label.count), label.first != hyphen, label.last != hyphen,
          label.allSatisfy({ $0.isAlphanumeric || $0 == hyphen })
        else { return false }
        // Two hyphens there are kept for encoded names.
        guard label.dropFirst(2).starts(with: "--".utf8) else { return true }
        return label.count > 5 && String(label)?.lowercased().hasPrefix("xn--") == true
      }
  }

  private static func isEmail(_ bytes: Substring.UTF8View) -> Bool {
    guard let at = bytes.lastIndex(of: UInt8(ascii: "@")) else { return false }
    let local = bytes[..<at]
    let domain = bytes[bytes.index(after: at)...]
    guard (1...64).contains(local.count) else { return false }
    if domain.first == UInt8(ascii: "["), domain.last == UInt8(ascii: "]") {
      let address = domain.dropFirst().dropLast()
      let tag = "IPv6:".utf8
      guard
        IPText.isV4(address)
          || address.starts(with: tag) && IPText.isV6(address.dropFirst(tag.count))
      else { return false }
    } else {
      guard isHostname(domain) else { return false }
    }
    return isQuoted(local)
      || local.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy {
        !$0.isEmpty
          && $0.allSatisfy { $0.isAlphanumeric || "!#$%&'*+-/=?^_`{|}~".utf8.contains($0) }
      }
  }

  private static func isQuoted(_ local: Substring.UTF8View) -> Bool {
    let quote = UInt8(ascii: "\"")
    guard local.count >= 2, local.first == quote, local.last == quote else { return false }
    var isEscaped = false
    for byte in local.dropFirst().dropLast() {
      guard (0x20...0x7E).contains(byte) else { return false }
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\\") {
        isEscaped = true
      } else if byte == quote {
        return false
      }
    }
    return !isEscaped
  }
}
