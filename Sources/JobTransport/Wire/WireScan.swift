import AMQP

/// Looks at Protocol Buffers from outside before they are decoded: two bytes of a message may be hundreds in memory, and a
/// message that is not from Warren may have millions of them.
enum WireScan {
  /// How often a repeated field may occur; no worker sends a tenth of that.
  static let most = 10_000

  /// - Parameter path: the numbers of the field and of those that it is in, from the outermost.
  /// - Throws: ``WireError`` when it occurs more often. What else is wrong with the message, the decoder says.
  static func check(_ name: String, _ path: [UInt64], in message: Message) throws(WireError) {
    let span = message.body.span
    let count = count(path[...], in: span, 0..<span.count)
    guard count <= most else {
      throw WireError("a message with \(count) \(name); \(most) are the most")
    }
  }

  /// See "Message Structure" in the specification of Protocol Buffers' encoding.
  private static func count(
    _ path: ArraySlice<UInt64>, in bytes: Span<UInt8>, _ range: Range<Int>
  ) -> Int {
    guard let number = path.first else { return 1 }
    var place = range.lowerBound
    var found = 0
    while let tag = varint(bytes, &place, range.upperBound) {
      switch tag & 7 {
      case 0:
        guard varint(bytes, &place, range.upperBound) != nil else { return found }
      case 1: place += 8
      case 2:
        guard let length = varint(bytes, &place, range.upperBound),
          length <= range.upperBound - place
        else { return found }
        let end = place + Int(length)
        if tag >> 3 == number { found += count(path.dropFirst(), in: bytes, place..<end) }
        place = end
      case 5: place += 4
      case 3, 4: break
      default: return found
      }
    }
    return found
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
