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

/// What programs write, made fit for a log.
enum LogText {
  /// The text with control characters spelled out, so that it can neither begin a line of the log nor tell a terminal
  /// anything: `\u{1B}` stands for an escape character. A tab stays.
  static func escaped(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    var escaped = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if isControl(scalar) {
        escaped.append(
          contentsOf: "\\u{\(String(scalar.value, radix: 16, uppercase: true))}".unicodeScalars)
      } else {
        escaped.append(scalar)
      }
    }
    return String(escaped)
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control: scalar != "\t"
    case .lineSeparator, .paragraphSeparator: true
    // Those that turn the direction of the text around.
    case .format:
      ("\u{202A}"..."\u{202E}").contains(scalar) || ("\u{2066}"..."\u{2069}").contains(scalar)
    default: false
    }
  }
}
