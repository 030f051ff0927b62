/// The beginning of a program's standard output, and how much there was in all.
struct OutputHead: Sendable, Hashable {
  /// In bytes; what comes later is counted and dropped.
  let limit: Int
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
    guard isTruncated else {
      var text = String(decoding: bytes, as: UTF8.self)
      if text.last == "\n" || text.last == "\r\n" { text.removeLast() }
      return text
    }
    let kept = bytes.dropLast(unfinishedCharacter)
    return String(decoding: kept, as: UTF8.self)
      + "\n[truncated: the first \(kept.count) of \(total) bytes]"
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
