import Jobs

/// A scalar of the file: its text, and what it means.
///
/// A plain one is read by the core schema of YAML 1.2 (section 10.3.2), not by YAML 1.1, whose `no` is a boolean and whose
/// `12:30` is a number.
struct YAMLScalar: Sendable, Hashable {
  let text: String
  let value: JSONValue

  /// - Parameter isPlain: whether it stands without quotes and without a tag.
  init(_ text: String, isPlain: Bool) {
    self.text = text
    value = isPlain ? Self.plain(text) : .string(text)
  }

  private static func plain(_ text: String) -> JSONValue {
    switch text {
    case "", "~", "null", "Null", "NULL": return .null
    case "true", "True", "TRUE": return .bool(true)
    case "false", "False", "FALSE": return .bool(false)
    default: break
    }
    guard let first = text.utf8.first, "0123456789+-.".utf8.contains(first) else {
      return .string(text)
    }
    if let integer = integer(text) { return .integer(integer) }
    // Swift reads more than YAML does: nan, inf, hexadecimal floats.
    let isNumber = text.utf8.allSatisfy { "0123456789+-.eE".utf8.contains($0) }
    if isNumber, text.utf8.contains(where: { "0123456789".utf8.contains($0) }),
      let number = Double(text.hasSuffix(".") ? text + "0" : text), number.isFinite
    {
      return .number(number)
    }
    return .string(text)
  }

  private static func integer(_ text: String) -> Int64? {
    if text.hasPrefix("0x") { return digits(text.dropFirst(2), radix: 16) }
    if text.hasPrefix("0o") { return digits(text.dropFirst(2), radix: 8) }
    return Int64(text)
  }

  private static func digits(_ text: Substring, radix: Int) -> Int64? {
    guard let first = text.first, first.isHexDigit else { return nil }
    return Int64(text, radix: radix)
  }
}
