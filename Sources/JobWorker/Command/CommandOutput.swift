import Jobs

/// The beginning of a program's standard output, and how much there was in all.
struct OutputHead: Sendable, Hashable {
  /// In bytes; what comes later is counted and dropped.
  let limit: Int
  /// Of the text as a JSON string, which may take up to six times as much: a job's result may have no more.
  var jsonLimit = JobLimits.result
  private(set) var bytes: [UInt8] = []
  private(set) var total = 0

  init(limit: Int) {
    self.limit = limit
  }

  var isTruncated: Bool { total > bytes.count }

  mutating func append(_ more: some Collection<UInt8>) {
    bytes.append(contentsOf: more.prefix(limit - bytes.count))
    total += more.count
  }

  /// The output as text: invalid UTF-8 repaired, and without one newline at the end, as `$(…)` in a
  /// shell has it. Where output was dropped, the last line says so.
  var text: String {
    if !isTruncated {
      var text = String(decoding: bytes, as: UTF8.self)
      if text.last == "\n" || text.last == "\r\n" { text.removeLast() }
      if Self.jsonSize(text.unicodeScalars) + 2 <= jsonLimit { return text }
    }
    // With room for the quotes and the last line.
    let text = Self.beginning(
      of: String(decoding: bytes.dropLast(isTruncated ? unfinishedCharacter : 0), as: UTF8.self),
      jsonLimit: jsonLimit - 128)
    return text.kept + "\n[truncated: the first \(text.bytes) of \(total) bytes]"
  }

  /// As much of the text as fits, and how many bytes of the output that is. Invalid UTF-8 has been repaired to the three bytes
  /// of U+FFFD, so that the number is not exact for output that is no text.
  private static func beginning(of text: String, jsonLimit: Int) -> (kept: String, bytes: Int) {
    var size = 0
    var end = text.unicodeScalars.startIndex
    for index in text.unicodeScalars.indices {
      size += jsonSize(text.unicodeScalars[index])
      guard size <= jsonLimit else { break }
      end = text.unicodeScalars.index(after: index)
    }
    let kept = String(text.unicodeScalars[..<end])
    return (kept, kept.utf8.count)
  }

  private static func jsonSize(_ scalars: String.UnicodeScalarView) -> Int {
    scalars.reduce(0) { $0 + jsonSize($1) }
  }

  /// How many bytes a character takes within a JSON string (RFC 8259, section 7).
  private static func jsonSize(_ scalar: Unicode.Scalar) -> Int {
    switch scalar {
    case "\"", "\\", "\n", "\r", "\t", "\u{08}", "\u{0C}": 2
    case "\u{00}"..."\u{1F}": 6
    default: UTF8.width(scalar)
    }
  }

  /// How many bytes at the end begin a character whose rest was dropped.
  private var unfinishedCharacter: Int {
    for (count, byte) in bytes.suffix(4).reversed().enumerated() where byte & 0xC0 != 0x80 {
      let length = (~byte).leadingZeroBitCount
      return length > count + 1 ? count + 1 : 0
    }
    return 0
  }
}

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

/// Bounds what is read of a stream once its shepherd has ended.
///
/// Whatever a shepherd can reach it kills before. What got away from it may hold the stream open, which nobody waits for; or go on
/// writing into it, and would keep the reader for as long as it is the faster one.
struct OutputRest: Sendable {
  /// The most that a pipe holds (pipe-max-size, proc(5), unless root raised it): all that was written before the end.
  static let most = 1 << 20
  static let longest = Duration.seconds(2)

  private var bytes = 0
  private var since: ContinuousClock.Instant?

  /// Whether to read on.
  ///
  /// - Parameters:
  ///   - count: how much was just read.
  ///   - isOver: whether the shepherd has ended.
  mutating func goesOn(
    after count: Int, isOver: @autoclosure () -> Bool, now: ContinuousClock.Instant = .now
  ) -> Bool {
    guard let since else {
      if isOver() { since = now }
      return true
    }
    bytes += count
    return bytes < Self.most && now - since < Self.longest
  }

  static func warning(_ stream: String) -> String {
    "\(stream) is still written to after the end of the program, by a process that got away from it; "
      + "no more of it is read"
  }
}

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
