/// Cuts a stream of bytes into lines, and holds no more than a limit of one that does not end.
struct LineSplitter: Sendable {
  struct Line: Sendable, Hashable {
    /// Without the newline; the beginning only, when the line was longer than the limit.
    var bytes: [UInt8]
    /// How long the line was, in bytes.
    var length: Int
    var isCut: Bool { length > bytes.count }

    /// The text, invalid UTF-8 repaired.
    var text: String { String(decoding: bytes, as: UTF8.self) }
  }

  /// In bytes.
  let limit: Int
  private var partial: [UInt8] = []
  private var length = 0

  init(limit: Int) {
    self.limit = limit
  }

  /// Takes the next bytes and returns the lines that they complete.
  mutating func append(_ bytes: some Collection<UInt8>) -> [Line] {
    var lines: [Line] = []
    var rest = bytes[...]
    while let newline = rest.firstIndex(of: UInt8(ascii: "\n")) {
      hold(rest[..<newline])
      lines.append(take())
      rest = rest[rest.index(after: newline)...]
    }
    hold(rest)
    return lines
  }

  /// The last line, when nothing ended it.
  mutating func finish() -> Line? {
    length == 0 ? nil : take()
  }

  private mutating func hold(_ bytes: some Collection<UInt8>) {
    partial.append(contentsOf: bytes.prefix(limit - partial.count))
    length += bytes.count
  }

  private mutating func take() -> Line {
    defer {
      partial = []
      length = 0
    }
    return Line(bytes: partial, length: length)
  }
}
