import AMQP

/// Looks at Protocol Buffers from outside before they are decoded.
///
/// Two bytes of a message may be hundreds in memory. And where a member that can be there once is there many times, the
/// decoder merges them, and copies what it has so far for each.
struct WireScan {
  /// What a message, or one within it, may have.
  struct Level {
    /// How many members, repeated ones counted each time.
    let most: Int
    /// The numbers of those that are messages in turn, of the next level, as bits.
    let inner: UInt64

    init(most: Int, inner: [UInt64]) {
      self.most = most
      self.inner = inner.reduce(0) { $0 | 1 << $1 }
    }
  }

  static let claims = [Level(most: 10_000, inner: [1]), Level(most: 20_000, inner: [])]
  /// Kinds, reports, what a report has, its content (a log has up to 100 lines), an outcome's or a line's.
  static let fromWorker = [
    Level(most: 16, inner: [2]), Level(most: 10_000, inner: [1]),
    Level(most: 64, inner: [4, 6, 7, 8]),
    Level(most: 128, inner: [1, 2, 5, 6, 7, 8]), Level(most: 64, inner: []),
  ]
  /// Of all levels together; no worker of Warren's sends a tenth of that.
  private static let mostMembers = 200_000

  private var members = 0

  private init() {}

  /// - Throws: ``WireError`` when there is more. What else is wrong with the message, the decoder says.
  static func check(_ levels: [Level], in message: Message) throws(WireError) {
    var scan = WireScan()
    try scan.walk(levels, 0, message.body.span, 0..<message.body.count)
  }

  /// See "Message Structure" in the specification of Protocol Buffers' encoding.
  private mutating func walk(
    _ levels: [Level], _ depth: Int, _ bytes: Span<UInt8>, _ range: Range<Int>
  ) throws(WireError) {
    guard depth < levels.count else { return }
    let level = levels[depth]
    var place = range.lowerBound
    var found = 0
    while let tag = Self.varint(bytes, &place, range.upperBound) {
      found += 1
      members += 1
      guard found <= level.most, members <= Self.mostMembers else {
        throw WireError("a message of too many parts: \(level.most) are the most at one place")
      }
      switch tag & 7 {
      case 0:
        guard Self.varint(bytes, &place, range.upperBound) != nil else { return }
      case 1: place += 8
      case 2:
        guard let length = Self.varint(bytes, &place, range.upperBound),
          length <= range.upperBound - place
        else { return }
        let end = place + Int(length)
        if level.inner & (1 << (tag >> 3)) != 0 { try walk(levels, depth + 1, bytes, place..<end) }
        place = end
      case 5: place += 4
      case 3, 4: break
      default: return
      }
    }
  }

  private static func varint(_ bytes: Span<UInt8>, _ place: inout Int, _ end: Int) -> UInt64? {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while place < end, shift < 64 {
      let byte = bytes[place]
      place += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    return nil
  }
}
