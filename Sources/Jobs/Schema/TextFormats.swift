/// Dates and times of RFC 3339.
enum RFC3339 {
  /// Seconds since 1970, of a date and a time. A leap second is the second after it.
  static func seconds(of text: String) -> Double? {
    let bytes = text.utf8
    guard bytes.count >= 20, let days = days(of: bytes.prefix(10)) else { return nil }
    let mark = bytes[bytes.index(bytes.startIndex, offsetBy: 10)]
    guard mark == UInt8(ascii: "T") || mark == UInt8(ascii: "t"),
      let time = timeOfDay(of: bytes.dropFirst(11))
    else { return nil }
    return Double(days) * 86_400 + time
  }

  /// Days since 1970, of a date.
  static func days(of bytes: Substring.UTF8View) -> Int? {
    guard bytes.count == 10 else { return nil }
    let hyphen = UInt8(ascii: "-")
    let parts = bytes.split(separator: hyphen, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].count == 4, parts[1].count == 2, let year = number(parts[0]),
      let month = number(parts[1]), let day = number(parts[2]), (1...12).contains(month),
      day >= 1
    else { return nil }
    let isLeap = year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
    let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    guard day <= lengths[month - 1] else { return nil }
    // The year begins in March, so that the leap day is its last.
    let shifted = month > 2 ? year : year - 1
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  /// Seconds since midnight in UTC, of a time with its zone; less than 0 or more than a day where the zone makes it so.
  static func timeOfDay(of bytes: Substring.UTF8View) -> Double? {
    let colon = UInt8(ascii: ":")
    var rest = bytes
    func take(_ rest: inout Substring.UTF8View) -> Int? {
      defer { rest = rest.dropFirst(2) }
      return rest.count >= 2 ? number(rest.prefix(2)) : nil
    }
    guard let hour = take(&rest), rest.popFirst() == colon, let minute = take(&rest),
      rest.popFirst() == colon, let second = take(&rest), hour < 24, minute < 60, second <= 60
    else { return nil }
    var fraction = 0.0
    if rest.first == UInt8(ascii: ".") {
      let digits = rest.dropFirst().prefix { (0x30...0x39).contains($0) }
      guard !digits.isEmpty,
        let value = Double("0." + String(decoding: digits.prefix(30), as: UTF8.self))
      else { return nil }
      fraction = value
      rest = rest.dropFirst(1 + digits.count)
    }
    var zone = 0
    switch rest.popFirst() {
    case UInt8(ascii: "Z"), UInt8(ascii: "z"): break
    case let sign? where sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"):
      guard let hours = take(&rest), rest.popFirst() == colon, let minutes = take(&rest),
        hours < 24,
        minutes < 60
      else { return nil }
      zone = (sign == UInt8(ascii: "+") ? 1 : -1) * (hours * 60 + minutes)
    default: return nil
    }
    guard rest.isEmpty else { return nil }
    let minutes = hour * 60 + minute - zone
    // A leap second is the last of a day in UTC.
    guard second < 60 || (minutes + 1440) % 1440 == 1439 else { return nil }
    return Double(minutes * 60 + second) + fraction
  }

  private static func number(_ digits: Substring.UTF8View) -> Int? {
    digits.allSatisfy { (0x30...0x39).contains($0) }
      ? Int(String(decoding: digits, as: UTF8.self)) : nil
  }
}

/// Addresses of the Internet.
enum IPText {
  static func isV4(_ bytes: Substring.UTF8View) -> Bool {
    let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    return parts.count == 4
      && parts.allSatisfy { part in
        (1...3).contains(part.count) && part.allSatisfy { (0x30...0x39).contains($0) }
          && (part.count == 1 || part.first != UInt8(ascii: "0"))
          && (Int(String(decoding: part, as: UTF8.self)) ?? 256) < 256
      }
  }

  static func isV6(_ bytes: Substring.UTF8View) -> Bool {
    let colon = UInt8(ascii: ":")
    let gap = "::".utf8
    guard bytes.count <= 45, bytes.first != colon || bytes.starts(with: gap),
      bytes.last != colon || bytes.suffix(2).elementsEqual(gap)
    else { return false }
    var groups = bytes.split(separator: colon, omittingEmptySubsequences: false)
    guard groups.count >= 3 else { return false }
    // What stands for the missing zeros is one empty group, and two at either end.
    if groups[0].isEmpty, groups[1].isEmpty { groups.removeFirst() }
    if groups[groups.count - 1].isEmpty, groups[groups.count - 2].isEmpty { groups.removeLast() }
    let gaps = groups.count { $0.isEmpty }
    guard gaps <= 1 else { return false }
    var count = 0
    for (index, group) in groups.enumerated() where !group.isEmpty {
      if index == groups.count - 1, isV4(group) {
        count += 2
      } else {
        guard group.count <= 4, group.allSatisfy(\.isHex) else { return false }
        count += 1
      }
    }
    return gaps == 1 ? count <= 7 : count == 8
  }
}

/// RFC 3986, appendix A.
enum URIText {
  static func isURI(_ bytes: Substring.UTF8View) -> Bool {
    guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")) else { return false }
    let scheme = bytes[..<colon]
    guard let first = scheme.first, first.isLetter,
      scheme.allSatisfy({ $0.isAlphanumeric || "+-.".utf8.contains($0) })
    else { return false }
    return isRest(bytes[bytes.index(after: colon)...], isRelative: false)
  }

  static func isReference(_ bytes: Substring.UTF8View) -> Bool {
    isURI(bytes) || isRest(bytes, isRelative: true)
  }

  /// What follows the scheme.
  private static func isRest(_ bytes: Substring.UTF8View, isRelative: Bool) -> Bool {
    let parts = bytes.split(
      separator: UInt8(ascii: "#"), maxSplits: 1, omittingEmptySubsequences: false)
    if parts.count > 1, !isText(parts[1], besides: "/?:@") { return false }
    let before = parts[0].split(
      separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
    if before.count > 1, !isText(before[1], besides: "/?:@") { return false }
    var path = before[0]
    if path.starts(with: "//".utf8) {
      path = path.dropFirst(2)
      let authority = path.prefix { $0 != UInt8(ascii: "/") }
      return isAuthority(authority) && isText(path.dropFirst(authority.count), besides: "/:@")
    }
    if isRelative, path.prefix(while: { $0 != UInt8(ascii: "/") }).contains(UInt8(ascii: ":")) {
      return false
    }
    return isText(path, besides: "/:@")
  }

  private static func isAuthority(_ bytes: Substring.UTF8View) -> Bool {
    var host = bytes
    if let at = bytes.firstIndex(of: UInt8(ascii: "@")) {
      guard isText(bytes[..<at], besides: ":") else { return false }
      host = bytes[bytes.index(after: at)...]
    }
    let colon = UInt8(ascii: ":")
    if host.first == UInt8(ascii: "[") {
      guard let end = host.firstIndex(of: UInt8(ascii: "]")) else { return false }
      let address = host[host.index(after: host.startIndex)..<end]
      let port = host[host.index(after: end)...]
      return (IPText.isV6(address) || isFuture(address))
        && (port.isEmpty || port.first == colon && isPort(port.dropFirst()))
    }
    let parts = host.split(separator: colon, maxSplits: 1, omittingEmptySubsequences: false)
    return isText(parts[0], besides: "") && (parts.count < 2 || isPort(parts[1]))
  }

  private static func isPort(_ bytes: Substring.UTF8View) -> Bool {
    bytes.allSatisfy { (0x30...0x39).contains($0) }
  }

  /// An address of a version that there is not yet.
  private static func isFuture(_ bytes: Substring.UTF8View) -> Bool {
    guard bytes.first == UInt8(ascii: "v") || bytes.first == UInt8(ascii: "V"),
      let dot = bytes.firstIndex(of: UInt8(ascii: "."))
    else { return false }
    let version = bytes[bytes.index(after: bytes.startIndex)..<dot]
    let address = bytes[bytes.index(after: dot)...]
    return !version.isEmpty && version.allSatisfy(\.isHex) && !address.isEmpty
      && !address.contains(UInt8(ascii: "%")) && isText(address, besides: ":")
  }

  /// Unreserved characters, sub-delimiters, what is percent-encoded, and these.
  private static func isText(_ bytes: Substring.UTF8View, besides others: StaticString) -> Bool {
    var rest = bytes
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%") {
        guard rest.count >= 2, rest.prefix(2).allSatisfy(\.isHex) else { return false }
        rest = rest.dropFirst(2)
      } else {
        guard
          byte.isAlphanumeric || "-._~!$&'()*+,;=".utf8.contains(byte)
            || others.description.utf8.contains(byte)
        else { return false }
      }
    }
    return true
  }
}

extension UInt8 {
  var isLetter: Bool { (0x41...0x5A).contains(self & 0xDF) && self < 0x80 }
  var isAlphanumeric: Bool { isLetter || (0x30...0x39).contains(self) }
  var isHex: Bool {
    (0x30...0x39).contains(self) || (0x41...0x46).contains(self & 0xDF) && self < 0x80
  }
}
