/// Looks through encoded properties and field tables before anything decodes them: librabbitmq's
/// decoder recurses without a bound, so what nests too deeply must not reach it. This one keeps its
/// place in an array, and believes no length that leads outside.
struct FieldScan {
  /// How many tables and arrays may be inside each other (librabbitmq 0.14 has the same limit).
  static let maximumDepth = 100

  /// Why something must not be decoded.
  struct Refusal: Error, Equatable {
    var reason: String
    static let malformed = Refusal(reason: "malformed")
    static let tooDeep = Refusal(
      reason: "nested more than \(FieldScan.maximumDepth) levels deep")
  }

  private let bytes: UnsafeRawBufferPointer
  private(set) var position: Int

  init(_ bytes: UnsafeRawBufferPointer, from position: Int = 0) {
    self.bytes = bytes
    self.position = position
  }

  /// Checks the table that begins here with its length; returns where it ends.
  mutating func table() throws(Refusal) -> Int {
    struct Container {
      var end: Int
      var hasNames: Bool
    }
    var open = [Container(end: try container(within: bytes.count), hasNames: true)]
    while let innermost = open.last {
      guard position < innermost.end else {
        open.removeLast()
        continue
      }
      if innermost.hasNames { try skip(1 + Int(bytes[position]), within: innermost.end) }
      guard position < innermost.end else { throw .malformed }
      let kind = bytes[position]
      position += 1
      switch kind {
      case UInt8(ascii: "V"): break
      case UInt8(ascii: "t"), UInt8(ascii: "b"), UInt8(ascii: "B"):
        try skip(1, within: innermost.end)
      case UInt8(ascii: "s"), UInt8(ascii: "u"): try skip(2, within: innermost.end)
      case UInt8(ascii: "I"), UInt8(ascii: "i"), UInt8(ascii: "f"):
        try skip(4, within: innermost.end)
      case UInt8(ascii: "D"): try skip(5, within: innermost.end)
      case UInt8(ascii: "l"), UInt8(ascii: "L"), UInt8(ascii: "d"), UInt8(ascii: "T"):
        try skip(8, within: innermost.end)
      case UInt8(ascii: "S"), UInt8(ascii: "x"):
        let length = try self.length(within: innermost.end)
        try skip(length, within: innermost.end)
      case UInt8(ascii: "A"), UInt8(ascii: "F"):
        guard open.count < Self.maximumDepth else { throw .tooDeep }
        open.append(
          Container(
            end: try container(within: innermost.end), hasNames: kind == UInt8(ascii: "F")))
      default: throw .malformed
      }
    }
    return position
  }

  /// Steps over a short string.
  mutating func shortString() throws(Refusal) {
    guard position < bytes.count else { throw .malformed }
    try skip(1 + Int(bytes[position]), within: bytes.count)
  }

  /// Steps over that many bytes.
  mutating func skip(_ count: Int) throws(Refusal) { try skip(count, within: bytes.count) }

  private mutating func skip(_ count: Int, within end: Int) throws(Refusal) {
    guard count <= end - position else { throw .malformed }
    position += count
  }

  private mutating func length(within end: Int) throws(Refusal) -> Int {
    guard end - position >= 4 else { throw .malformed }
    let length = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self))
    position += 4
    return Int(length)
  }

  /// Where the table or array ends whose length stands here.
  private mutating func container(within end: Int) throws(Refusal) -> Int {
    let length = try self.length(within: end)
    guard length <= end - position else { throw .malformed }
    return position + length
  }

  /// Where the headers are among encoded properties, if there are any, and why they must not be
  /// decoded, if they must not. Throws if the rest cannot be decoded either.
  static func headers(
    of properties: UnsafeRawBufferPointer
  ) throws(Refusal) -> (range: Range<Int>, refusal: Refusal?)? {
    guard properties.count >= 2 else { throw .malformed }
    let flags = UInt16(properties[0]) << 8 | UInt16(properties[1])
    // No class of AMQP 0-9-1 has more properties than fit into one word of flags.
    guard flags & 1 == 0 else { throw .malformed }
    var scan = FieldScan(properties, from: 2)
    var headers: (range: Range<Int>, refusal: Refusal?)?
    for bit in stride(from: UInt16(15), through: 2, by: -1) where flags & (1 << bit) != 0 {
      switch bit {
      case 13:
        let begin = scan.position
        var refusal: Refusal?
        do throws(Refusal) {
          var table = scan
          _ = try table.table()
        } catch {
          refusal = error
        }
        scan.position = try scan.container(within: properties.count)
        headers = (begin..<scan.position, refusal)
      case 12, 11: try scan.skip(1)
      case 6: try scan.skip(8)
      default: try scan.shortString()
      }
    }
    return headers
  }
}
