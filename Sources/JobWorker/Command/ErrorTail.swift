/// The end of a program's standard error, where the reason of a failure usually stands.
struct ErrorTail: Sendable, Hashable {
  /// In bytes.
  let limit: Int
  private var bytes: [UInt8] = []
  private var isTruncated = false

  init(limit: Int) {
    self.limit = limit
  }

  mutating func append(_ more: some Collection<UInt8>) {
    bytes.append(contentsOf: more.suffix(limit))
    if more.count > limit { isTruncated = true }
    // Cut at twice the size, so that a byte is not moved for each one that comes.
    if bytes.count > 2 * limit { cut() }
  }

  /// The tail as text: invalid UTF-8 repaired, without white space at the end. A tail whose
  /// beginning was dropped begins with an ellipsis.
  var text: String {
    var tail = self
    if tail.bytes.count > limit { tail.cut() }
    guard tail.isTruncated else { return Self.trimmed(tail.bytes[...]) }
    // At most three bytes can belong to a character that was cut in two.
    let whole = tail.bytes.prefix(3).prefix { $0 & 0xC0 == 0x80 }.count
    return "…" + Self.trimmed(tail.bytes.dropFirst(whole))
  }

  private mutating func cut() {
    bytes.removeFirst(bytes.count - limit)
    isTruncated = true
  }

  private static func trimmed(_ bytes: ArraySlice<UInt8>) -> String {
    var text = String(decoding: bytes, as: UTF8.self)
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }
}
